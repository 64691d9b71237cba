"""Site files for tests: the smallest complete one, with tables replaced or added."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import bridge.sites
from bridge.sites.site_file.rule_decoder import AnswerRules
from bridge.sites.site_file.schema import SiteFile, load_site_file

FILES = Path(bridge.sites.__file__).parent / "files"
SMALLEST = """
name = "invented"
title = "Invented"
start_url = "https://chat.invented.test"

[[models]]
id = "invented"

[composer]
box = ["textarea"]

[request]
path = "/api/chat"
prompt = ["prompt"]

[answer]
framing = "sse"
rules = [{ emit = "text", value = "text" }]
"""


@cache
def rules_of(site: str) -> AnswerRules:
    """Return the part of a site file of the bridge that describes answers."""
    return AnswerRules(load_site_file(FILES / f"{site}.toml"))


def site_file(tables: str = "", **changes: Any) -> SiteFile:
    """Return the smallest site file with tables, as TOML or as changes, in place of its own."""
    return SiteFile.model_validate({**tomllib.loads(SMALLEST), **tomllib.loads(tables), **changes})
