"""Site files for tests: the smallest whole one, with other tables put into it."""

from __future__ import annotations

import tomllib
from typing import Any

from bridge.sites.site_file.schema import SiteFile

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


def site_file(tables: str = "", **changes: Any) -> SiteFile:
    """Return a site file; tables written as TOML, or changes, stand in place of those of the smallest one."""
    return SiteFile.model_validate({**tomllib.loads(SMALLEST), **tomllib.loads(tables), **changes})
