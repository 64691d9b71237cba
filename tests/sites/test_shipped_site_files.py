"""The site files that the bridge ships: each is right, says where its facts are from, and has a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

import bridge.sites
from bridge.demo.standins import STAND_INS
from bridge.sites.site_file.schema import load_site_file

FILES = sorted((Path(bridge.sites.__path__[0]) / "files").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_site_file_is_right_and_says_how_far_it_was_tried(path: Path) -> None:
    site = load_site_file(path)
    assert site.name == path.stem
    assert "never tried on the live site" in site.evidence
    assert site.start_url.endswith(f"//{STAND_INS[site.name].host}")


def test_every_stand_in_has_a_site_file() -> None:
    assert sorted(STAND_INS) == [path.stem for path in FILES]
