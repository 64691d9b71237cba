"""The names of models and what they switch on."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import pytest

from bridge.chat.model_names import listed, resolve
from bridge.chat.types import Model, Show
from bridge.errors import RequestError, UnknownModel
from bridge.sites.deepseek.driver import Driver
from tests.support.fake_backend import BASES


@pytest.mark.parametrize("base", [base.id for base in BASES])
def test_a_base_name_is_the_site_s_own_model(base: str) -> None:
    assert resolve(base, BASES) in BASES


@pytest.mark.parametrize(
    ("name", "thinking", "search", "show"),
    [
        ("deepseek-think", True, False, "separate"),
        ("deepseek-r1", True, False, "separate"),
        ("deepseek-search", False, True, "separate"),
        ("deepseek-r1-search-fold", True, True, "fold"),
        ("deepseek-think-search-silent", True, True, "silent"),
        ("deepseek-chat-search", False, True, "separate"),
        ("deepseek-reasoner-search", True, True, "separate"),
        ("deepseek-r1-think", True, False, "separate"),
    ],
)
def test_suffixes_switch_on_what_they_say(name: str, thinking: bool, search: bool, show: Show) -> None:
    assert resolve(name, BASES) == Model(name, thinking, search, show)


def test_suffixes_work_in_every_order_and_combination() -> None:
    words = ("think", "r1", "search", "silent", "fold")
    for count in range(1, len(words) + 1):
        for chosen in combinations(words, count):
            if {"silent", "fold"} <= set(chosen):
                continue
            found = {
                (model.thinking, model.search, model.show)
                for order in permutations(chosen)
                for model in [resolve("-".join(("deepseek", *order)), BASES)]
            }
            assert len(found) == 1, chosen


def test_a_base_name_that_looks_like_a_suffixed_one_is_still_a_base_name() -> None:
    bases = (Model("x"), Model("x-search", thinking=True), Model("y"))
    assert resolve("x-search", bases) == bases[1]
    assert resolve("x-search-fold", bases) == Model("x-search-fold", thinking=True, show="fold")
    assert resolve("y-search", bases) == Model("y-search", search=True)


def test_case_does_not_matter_and_the_name_is_given_back_as_it_came() -> None:
    assert resolve("DeepSeek-R1-SEARCH", BASES) == Model("DeepSeek-R1-SEARCH", thinking=True, search=True)


@pytest.mark.parametrize("name", ["gpt-4o", "", "deepseek-", "-deepseek", "deepseek-v9", "deepseek--silent", "think"])
def test_any_other_name_is_unknown_and_the_message_tells_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve(name, BASES)
    assert caught.value.param == "model"
    for known in ("deepseek-reasoner", "-think", "-r1", "-search", "-silent", "-fold"):
        assert known in caught.value.message


def test_a_very_long_unknown_name_does_not_come_back_whole() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve("x" * 10_000, BASES)
    assert len(caught.value.message) < 500


def test_silent_and_fold_together_are_refused() -> None:
    with pytest.raises(RequestError, match="contradict") as caught:
        resolve("deepseek-think-silent-fold", BASES)
    assert caught.value.param == "model"


def test_every_listed_name_resolves_to_itself() -> None:
    names = listed(BASES)
    assert names[: len(BASES)] == BASES
    assert len({model.id for model in names}) == len(names)
    for model in names:
        assert resolve(model.id, BASES) == model


def test_no_bases_list_nothing() -> None:
    assert listed(()) == ()


@pytest.mark.parametrize(
    ("name", "thinking", "search", "show"),
    [
        ("DeepSeek-R1-0528", True, False, "separate"),
        ("deepseek-ai/DeepSeek-R1", True, False, "separate"),
        ("deepseek-thinking", True, False, "separate"),
        ("deepseek-v4-thinking-search", True, True, "separate"),
        ("my-deepsearch-deepseek-fold", False, True, "fold"),
        ("deepseek_r1_silent", True, False, "silent"),
    ],
)
def test_a_name_that_contains_what_switches_something_on_is_known(
    name: str, thinking: bool, search: bool, show: Show
) -> None:
    assert resolve(name, BASES) == Model(name, thinking, search, show)


@pytest.mark.parametrize("name", ["deepseek-v9", "deepseek-coder1", "deepseek-r12", "gpt-4o-search", "r1", "think"])
def test_a_name_that_contains_neither_is_not_guessed(name: str) -> None:
    with pytest.raises(UnknownModel):
        resolve(name, BASES)


@pytest.mark.parametrize("name", ["deepseek-v4-flash", "deepseek-v4-pro", "DeepSeek-V4.1-flash"])
def test_names_that_clients_are_preset_to_are_known_and_take_suffixes(name: str) -> None:
    assert resolve(name, Driver.models) == replace(Driver.models[0], id=name)
    searching = resolve(f"{name}-search-think", Driver.models)
    assert (searching.search, searching.thinking) == (True, True)
    assert name not in {model.id for model in listed(Driver.models)}
