"""A switch or a choice of a model is written down only where the requests followed it there and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.sites.learning.control_fields import control_fields
from bridge.sites.learning.control_rules import (
    chosen_entry,
    entries_of,
    menus,
    openers,
    state_shown,
    switches,
    switches_in_menu,
)
from bridge.sites.learning.draft import Finding, written
from bridge.sites.learning.inference import read_wire, read_with, wire_findings
from bridge.sites.learning.observation import (
    Button,
    Control,
    Element,
    MenuEntry,
    SeenCall,
    SeenControls,
    SeenMenu,
    SeenSwitch,
    SeenTurn,
)
from bridge.sites.site_file.page_schema import Menu
from bridge.sites.site_file.schema import parse_site_file
from tests.support.seen_chats import ANSWERS, PROMPTS, chunks, pieces, sse

ANSWER, PROMPT = ANSWERS[0], PROMPTS[0]
THOUGHT = "The person wants me to say a word again. "


def sent(number: int, thought: str = "", *, frame: str = "thought", text: str = "text", **body: Any) -> SeenTurn:
    """Return a turn whose request has these fields, with thinking before its answer; each in frames of its kind."""
    began = 100.0 * (number + 1)
    said = json.dumps({"prompt": PROMPT, "id": f"id-{number}77", "at": number * 1000, **body}).encode()
    thinking = [{"kind": frame, "text": piece} for piece in pieces(thought)]
    answer = [{"kind": text, "text": piece} for piece in pieces(ANSWER)]
    data = sse([*thinking, *answer, {"kind": "end"}])
    call = SeenCall(number + 1, began + 1, "POST", "https://chat.example/api/chat", said, 200, "text/event-stream")
    return SeenTurn(
        PROMPT, began, (replace(call, chunks=chunks(data, began + 2)),), thought + ANSWER, ANSWER,
        "https://chat.example/", "https://chat.example/c/conv-77aa31",
    )  # fmt: skip


def drawn(plain: Sequence[SeenTurn], seen: SeenControls) -> dict[str, Any]:
    """Return the fields that controls give, by name; of what is left out, why."""
    wire = read_with(plain, [one.turn for one in seen.switches])
    fields = control_fields("site", seen, wire, plain)
    readable([*fields.models, *fields.without(wire_findings(wire, "chat.example")), *fields.findings])
    said = {one.field: one.why if one.value is None else one.value for one in fields.findings}
    return said | {"models": [one.value for one in fields.models]}


def readable(findings: Sequence[Finding]) -> None:
    """Read the file that findings make with the least that a file has."""
    known = {one.field for one in findings}
    text = written(
        [
            *(Finding(name, "https://chat.example") for name in ("name", "title", "start_url")),
            *(Finding("models", {"id": "site"}) for _ in range("models" not in known)),
            Finding("composer.box", ["textarea"]),
            *findings,
        ]
    )
    parse_site_file(text.replace('name = "https://chat.example"', 'name = "site"'), "here")


def switch(
    turn: SeenTurn, name: str = "thinking", *, was_on: bool = False, attribute: str = "aria-pressed"
) -> SeenSwitch:
    return SeenSwitch(name, ("button.it",), attribute, "true", was_on, turn)


def test_a_switch_is_certain_where_a_field_of_the_request_followed_it_there_and_back() -> None:
    plain = [sent(0, deep="0"), sent(1, deep="0")]
    seen = SeenControls((switch(sent(2, THOUGHT, deep="1")),), sent(3, deep="0"))
    found = drawn(plain, seen)
    assert found["request.thinking"] == {"path": "deep", "on": "1", "off": "0"}
    assert found["thinking.control"] == ["button.it"]
    assert found["thinking.state"] == {"attribute": "aria-pressed", "on": "true"}


def test_what_is_absent_counts_as_off_and_a_switch_that_was_on_is_turned_off() -> None:
    plain = [sent(0, tools=[{"type": "net"}]), sent(1, tools=[{"type": "net"}])]
    seen = SeenControls((switch(sent(2, tools=[]), "search", was_on=True),), sent(3, tools=[{"type": "net"}]))
    assert drawn(plain, seen)["request.search"] == {"path": "tools[0].type", "on": "net", "off": False}


def test_each_of_two_switches_has_the_field_that_followed_it_alone() -> None:
    off: dict[str, Any] = {"think": False, "net": False}
    plain = [sent(0, **off), sent(1, **off)]
    pair = (
        switch(sent(2, THOUGHT, **{**off, "think": True})),
        switch(sent(3, **{**off, "net": True}), "search", attribute="checked"),
    )
    found = drawn(plain, SeenControls(pair, sent(4, **off)))
    assert (found["request.thinking"]["path"], found["request.search"]["path"]) == ("think", "net")
    assert found["search.shown_by"] == ["button.it:checked"]
    assert found["search.state"] == {"present": True}


@pytest.mark.parametrize(
    ("there", "back"),
    [({"deep": 0}, {"deep": 0}), ({"deep": 1}, {"deep": 1}), ({"deep": 1}, {"deep": 2})],
    ids=["nothing follows", "it does not come back", "another value comes back"],
)
def test_a_switch_that_no_field_follows_there_and_back_is_left_out(there: dict[str, Any], back: dict[str, Any]) -> None:
    seen = SeenControls((switch(sent(2, **there)),), sent(3, **back))
    found = drawn([sent(0, deep=0), sent(1, deep=0)], seen)
    assert found == {"models": [], "thinking": "left out: no field of the request followed it there and back"}


def test_thinking_is_left_out_where_it_cannot_be_told_from_the_answer() -> None:
    plain = [sent(0, deep=False), sent(1, deep=False)]
    mixed = SeenControls((switch(sent(2, THOUGHT, frame="text", deep=True)),), sent(3, deep=False))
    assert "cannot be told from the answer" in drawn(plain, mixed)["thinking"]
    nothing = SeenControls((switch(sent(2, deep=True)),), sent(3, deep=False))
    assert "request.thinking" in drawn(plain, nothing), "an answer that is all there is was read whole"


def test_the_thinking_that_came_once_its_switch_was_on_gets_a_rule() -> None:
    plain = [sent(0, deep=False), sent(1, deep=False)]
    wire = read_with(plain, [sent(2, THOUGHT * 2, deep=True)])
    rules = [one.value for one in wire_findings(wire, "chat.example") if one.field == "answer.rules"]
    assert {"when": {"kind": "thought"}, "emit": "thinking", "value": "text"} in rules


def test_turns_that_would_blur_what_tells_the_text_are_not_used() -> None:
    plain = [sent(0, deep=False), sent(1, deep=False)]
    other = sent(2, text="words", deep=True)
    assert read_with(plain, [other]) == read_wire(plain)
    found = drawn(plain, SeenControls((switch(other),), sent(3, deep=False)))
    assert "cannot be told from the answer" in found["thinking"]


def test_models_are_those_that_the_request_named_when_they_were_chosen_the_usual_one_first() -> None:
    plain = [sent(0, model="big-1"), sent(1, model="big-1")]
    menu = Menu(open=("button.models",), entry=("li.model",), close="escape")
    tried = {"Small 2.5": sent(5, model="small-2.5"), "大": sent(6, model="wide"), "Big": sent(7, model="big-1")}
    found = drawn(plain, SeenControls(menu=SeenMenu(menu, ("Small 2.5", "大", "Big", "Huge"), tried, is_shown=True)))
    assert found["models"] == [
        {"id": "site", "choice": "Big", "wire": ["big-1"]},
        {"id": "site-small-2.5", "choice": "Small 2.5", "wire": ["small-2.5"]},
        {"id": "site-3", "choice": "大", "wire": ["wide"]},
    ]
    assert found["request.model"] == "model"
    assert found["model_menu.shown_by"] == ["button.models"]
    assert found["model_menu.untried"] == "not tried, so left out of [[models]]: Huge"


@pytest.mark.parametrize("models", [("big-1", "big-1"), ("small", "tiny")], ids=["the same", "never the usual one"])
def test_a_list_that_the_request_does_not_follow_is_left_out(models: tuple[str, str]) -> None:
    plain = [sent(0, model="big-1", mood="x"), sent(1, model="big-1", mood="x")]
    tried = {name: sent(5, model=model, mood=name) for name, model in zip(("A", "B"), models, strict=True)}
    menu = SeenMenu(Menu(open=("b",), entry=("li",)), ("A", "B"), tried, is_shown=False)
    found = drawn(plain, SeenControls(menu=menu))
    assert [*found] == ["model_menu", "models"]
    assert found["models"] == []


def control(label: str, state: dict[str, str], popup: str = "", radios: int = 0, **button: Any) -> Control:
    element = button.pop("element", Element("button"))
    said = Button(element, labels=(label,), **{"is_beside": True, **button})
    return Control(said, state, popup, radios)


PRESSED = {"aria-pressed": "false"}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("DeepThink (R1)", "thinking"),
        ("长思考", "thinking"),
        ("Thinking", "thinking"),
        ("联网搜索", "search"),
        ("Search the web", "search"),
    ],
)
def test_a_switch_is_known_by_what_it_is_called(label: str, name: str) -> None:
    assert [*switches([control(label, PRESSED), control("Attach", PRESSED)])] == [name]


STRANGE = {
    "research": control("Deep research", PRESSED),
    "costly": control("Think with Pro: upgrade", PRESSED),
    "both": control("Search and think", PRESSED),
    "link": control("Search", PRESSED, link="https://chat.example/search"),
    "far": control("Search", PRESSED, distance=500),
    "of another form": control("Search", PRESSED, is_beside=False),
    "a menu": control("Think", PRESSED, is_plain=False),
    "named otherwise": control("Think", PRESSED, element=Element("button", id="delete-thoughts")),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_may_be_anything_else_is_not_turned(name: str) -> None:
    assert switches([STRANGE[name]]) == {}


def test_of_two_that_are_called_alike_neither_is_turned() -> None:
    assert switches([control("Think", PRESSED), control("Think more", PRESSED)]) == {}


def test_a_state_is_an_attribute_that_goes_from_on_to_off_the_usual_ones_before_others() -> None:
    assert (
        state_shown({"aria-pressed": "false", "data-x": "0"}, {"aria-pressed": "true", "data-x": "1"}) == "aria-pressed"
    )
    assert state_shown({"data-state": "unchecked"}, {"data-state": "checked"}) == "data-state"
    assert state_shown({"data-count": "7"}, {"data-count": "8"}) is None


def test_a_list_of_models_is_known_by_its_name_or_by_the_name_that_requests_have() -> None:
    called = control("Choose a model", {}, popup="menu")
    shown = control("GLM-5.3", {}, popup="listbox")
    radios = control("Fast Slow", {}, radios=2)
    others = [control("Share", {}, popup="menu"), control("Models", {}, link="https://chat.example/models")]
    native = control("Model", {}, element=Element("select"))
    assert menus([*others, radios, native, called, shown], ["glm-5.3"]) == [shown, native, called]


def test_menus_beside_the_text_box_may_have_switches_but_none_that_costs_or_leads_away() -> None:
    near, far = control("Tools", {}, popup="menu"), control("More", {}, popup="true", distance=900)
    others = [
        control("Upgrade", {}, popup="menu"),
        control("Share", {}, popup="menu", element=Element("button", id="share")),
        control("Model", {}, popup="listbox"),
        control("Account", {}, popup="menu", is_beside=False),
    ]
    assert openers([*others, far, near]) == [near]
    ticked = control("Web search", {"aria-checked": "false"}, number=7)
    deletes = control("Delete search", {"aria-checked": "false"}, number=8)
    assert switches_in_menu([ticked, deletes], known={1}) == {"search": ticked}
    assert switches_in_menu([ticked], known={7}) == {}


def test_the_chosen_entry_is_told_by_what_opens_the_menu_or_by_how_requests_call_it() -> None:
    found = [MenuEntry(Element("li"), number, name) for number, name in enumerate(("GLM-5.3-Flash", "GLM-5.3"))]
    assert chosen_entry(found, ["Model: GLM-5.3"], ["glm-5.3-flash"]) == "GLM-5.3"
    assert chosen_entry(found, ["Models"], ["glm-5.3-flash"]) == "GLM-5.3-Flash"
    assert chosen_entry(found, ["Models"], ["other"]) == ""


def test_a_list_with_what_costs_or_with_names_that_do_not_differ_is_none_of_models() -> None:
    def entries(*names: str) -> list[MenuEntry]:
        return [MenuEntry(Element("li"), number, name) for number, name in enumerate(names)]

    assert entries_of(entries("Fast", "Slow"))
    assert not entries_of(entries("Fast", "Upgrade"))
    assert not entries_of(entries("Fast", "Fast"))
    assert not entries_of(entries("Fast"))
    assert not entries_of(entries("Fast", "x" * 200))
