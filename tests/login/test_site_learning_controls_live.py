"""A page whose models are a native list, and whose switch stands in a menu, is learned with the ways to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.demo.standins import StandIn
from tests.support.other_zai import zai_with_other_controls
from tests.support.stress import stress
from tests.support.teaching import learned


@pytest.mark.parametrize("is_chosen", [False, *stress(True)])
async def test_models_in_a_native_list_and_a_switch_in_a_menu_are_learned_whether_or_not_a_model_is_chosen(
    chromium: Chromium, tmp_path: Path, *, is_chosen: bool
) -> None:
    async with StandIn(zai_with_other_controls(tmp_path, is_chosen=is_chosen), rate=80) as running:
        state = running.account("alice").storage_state()
        site, written = await learned(chromium, tmp_path, running.url, state)
        assert running.strange == []
        assert {turn.search_enabled for turn in running.account("alice").turns} == {True, False}
    assert [proof for proof in site.proofs if proof.failure] == []
    assert written.model_menu is not None
    assert written.model_menu.open[0].startswith("select")
    assert written.model_menu.entry == ()
    assert {(model.choice, model.wire) for model in written.models} == {
        ("GLM-5.3", ("glm-5.3",)),
        ("GLM-5.3-Flash", ("glm-5.3-flash",)),
    }
    assert written.search is not None
    assert written.request.search is not None
    assert (written.search.open, written.search.close) == (("button.tools",), "escape")
    assert written.request.search.path == "features.auto_web_search"
