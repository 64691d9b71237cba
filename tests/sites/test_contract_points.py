"""What `make test-sites` leaves out of the contract of the sites, it shows on others."""

from __future__ import annotations

import pytest

from tests.sites.contract_points import POINTS, long_sites, short_sites
from tests.sites.standin_runs import SITES

LEAST = 3
"""Sites on which each point is tried before the others that have it are left to `make stress`."""


@pytest.mark.parametrize("point", POINTS)
def test_each_point_is_tried_on_some_sites_before_the_others_are_left_out(point: str) -> None:
    assert len(short_sites(point)) >= LEAST or not long_sites(point)
    assert set(POINTS[point].in_short) <= {*short_sites(point)} or POINTS[point].in_short == SITES


def test_each_site_is_chatted_with() -> None:
    tried = {point: {*short_sites(point)} for point in ("chat", "stream", "stop", "pictures")}
    assert tried["chat"] == tried["stream"] == tried["stop"] == {*SITES} - tried["pictures"]
