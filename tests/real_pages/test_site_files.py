"""The files that describe the pages of other makers."""

from __future__ import annotations

import pytest

from bridge.sites.site_file.schema import load_site_file
from tests.real_pages.running_pages import PAGES, site_file


@pytest.mark.parametrize("name", sorted({page.site for page in PAGES.values()}))
def test_the_site_file_of_a_page_is_right_and_says_what_it_was_tried_on(name: str) -> None:
    site = load_site_file(site_file(name))
    assert site.name == name
    assert "driven in the tests" in site.evidence
