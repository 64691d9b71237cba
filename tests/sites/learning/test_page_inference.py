"""Selectors, controls and signs of a login are chosen by what people named; the file that is written can be read."""

from __future__ import annotations

import tomllib

import pytest

from bridge.sites.learning.control_search import (
    AFTER,
    BUSY,
    TYPED,
    UNSURE,
    closes,
    new_chat_buttons,
    send_buttons,
    stop_selectors,
)
from bridge.sites.learning.draft import Certainty, Finding, as_toml, written
from bridge.sites.learning.login_signs import PageState, login_signs
from bridge.sites.learning.network_watch import as_bytes
from bridge.sites.learning.observation import Element
from bridge.sites.learning.page_watch import Look
from bridge.sites.learning.selectors import is_stable, selectors

STOP = Element("button", attributes={"aria-label": "Stop generating"})


def look(element: Element, number: int, *phases: str, distance: int = 10, is_disabled: bool = False) -> Look:
    return Look(element, number, distance, is_disabled, {1: frozenset(phases)})


@pytest.mark.parametrize("name", ["chat-input", "send-button", "ds-button--primary", "submit"])
def test_a_name_that_people_write_is_stable(name: str) -> None:
    assert is_stable(name)


@pytest.mark.parametrize(
    "name", ["css-1x2y3z", "_502fc07", "sc-abcdef", "svelte-9a8b7c", "Box__Wrap-x1a2B", "radix-:r1:", "e9bac82"]
)
def test_a_name_that_a_build_made_up_is_not(name: str) -> None:
    assert not is_stable(name)


def test_the_most_lasting_selector_comes_first_and_shadow_hosts_are_anchors() -> None:
    host = Element("deep-chat")
    box = Element(
        "div", "text-input", ("css-1x2y3z",), {"contenteditable": "true", "aria-label": 'Say "hi"'}, above=(host,)
    )
    found = selectors(box)
    assert found[:2] == ["#text-input", 'div[aria-label="Say \\"hi\\""]']
    assert "deep-chat #text-input" in found
    assert not any("1x2y3z" in one for one in found)


def test_the_send_button_is_the_one_that_came_alive_or_is_called_so_and_never_one_for_files() -> None:
    send = look(Element("button", classes=("send-button",)), 1, "typed")
    attach = look(Element("button", attributes={"aria-label": "Attach"}), 2, "typed")
    far = look(Element("button", classes=("submit",)), 3, "typed", distance=900)
    assert [one.number for one in send_buttons([attach, far, send])] == [1]


def test_a_button_that_only_changes_its_picture_while_the_site_answers_is_told_by_that_picture() -> None:
    idle = Element("div", classes=("send-box",), drawing="path:M1 2")
    busy = Element("div", classes=("send-box",), drawing="rect:")
    found = stop_selectors([look(idle, 1, "before", "typed", "answering", "after"), look(busy, 1, "answering")], 1)
    assert found[0] == "div.send-box:has(svg rect)"


def test_what_stops_is_what_is_called_so_among_all_that_comes_and_goes() -> None:
    spinner = look(Element("div", classes=("spinner-button",)), 1, "answering")
    stop = look(STOP, 2, "answering", distance=300)
    assert stop_selectors([spinner, stop], 1)[0] == 'button[aria-label="Stop generating"]'


def test_a_stop_button_that_was_seen_behind_the_end_in_one_turn_is_found_in_the_next() -> None:
    stop = Look(STOP, 1, 10, False, {1: frozenset({BUSY, AFTER}), 2: frozenset({BUSY})})
    assert stop_selectors([stop], 1) == []
    assert stop_selectors([stop], 2)[0] == 'button[aria-label="Stop generating"]'


def test_what_is_seen_while_a_person_may_have_sent_the_prompt_already_may_be_the_stop_button() -> None:
    assert stop_selectors([look(STOP, 1, UNSURE, BUSY)], 1)
    assert not stop_selectors([look(STOP, 1, TYPED, BUSY)], 1)


def test_a_new_chat_is_found_by_its_name_in_several_languages() -> None:
    names = ["New chat", "新建对话", "Clear conversation"]
    looks = [look(Element("a", text=name), number, "after") for number, name in enumerate([*names, "News"])]
    assert {one.element.text for one in new_chat_buttons(looks)} == set(names)


def test_a_dialog_is_closed_by_a_harmless_button_only() -> None:
    assert closes(Element("button", text="Okay, got it"))
    assert not closes(Element("button", text="OK, delete all"))
    assert not closes(Element("button", text="Continue to sign in"))


def test_signs_of_a_login_are_what_a_stranger_does_not_have() -> None:
    sign_in = Element("button", classes=("login-button",), text="Log in")
    mine = PageState("https://a.example/", True, False, (), frozenset({"token", "theme"}), frozenset({"sid", "_ga"}))
    stranger = PageState("https://a.example/login", False, True, (sign_in,), frozenset({"theme"}), frozenset({"_ga"}))
    found = login_signs(mine, stranger, "#chat-input")
    assert found.signed_in == ({"selector": "#chat-input"}, {"storage": "token"}, {"cookie": "sid"})
    assert {"selector": "input[type='password']"} in found.signed_out
    assert {"url": "/login"} in found.signed_out
    assert not found.is_open
    assert login_signs(mine, mine, "#chat-input").is_open


def test_what_a_page_says_stays_within_its_quotes_and_its_remark() -> None:
    hostile = 'x"\n[answer]\nframing = "json" # \x1b[2J \x7f \u202e'
    text = written([Finding("title", hostile, Certainty.GUESSED, hostile), Finding("composer.box", [hostile])])
    read = tomllib.loads(text)
    assert read["title"] == hostile
    assert read["composer"] == {"box": [hostile]}
    assert "\x1b" not in as_toml(hostile)
    assert len(text.splitlines()) == 4


def test_a_body_that_was_read_as_windows_1252_is_the_bytes_it_was() -> None:
    text = "größe 你好 🚀 “quoted”"
    mangled = text.encode().decode("cp1252", "replace")
    assert "\ufffd" in mangled or as_bytes(mangled, "").decode() == text
    assert as_bytes("größe", "utf-8") == "größe".encode()
    assert as_bytes("gr\u00c3\u00b6\u00c3\u0178e", "") == "größe".encode()
