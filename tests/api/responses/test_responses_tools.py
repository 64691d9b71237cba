"""Tools of all kinds in requests for responses, and the items that their calls become."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bridge.api.responses.responses_grammars import LONGEST, LONGEST_GRAMMAR, lark_misfit
from bridge.chat.types import ChatRequest, Finish, Opened, Text
from tests.support.fake_backend import Served
from tests.support.responses import FUNCTION, refused, streamed, types, whole

NAMESPACE = {
    "type": "namespace",
    "name": "agents",
    "description": "Tools for agents.",
    "tools": [{"type": "function", "name": "close", "parameters": {"type": "object", "properties": {}}}],
}
CUSTOM = {"type": "custom", "name": "patch", "description": "Change files."}
DIGITS = {"type": "grammar", "syntax": "regex", "definition": r"\d+(,\d+)*"}
LARK = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"+'}
BUILT_IN: list[dict[str, Any]] = [
    {"type": "file_search", "vector_store_ids": ["v"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation"},
    {"type": "local_shell"},
    {"type": "mcp", "server_label": "m", "server_url": "https://m.example/"},
]


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def taught(request: ChatRequest) -> str:
    """Return what the model was told about tools; nothing where there are none."""
    return "\n".join(message.text for message in request.messages if message.text.startswith("# Tools"))


async def test_a_function_of_a_namespace_is_called_as_the_client_knows_it(served: Served) -> None:
    served.backend.script = (Opened(), Text(call("agents.close")), Finish())
    response = await whole(served, tools=[NAMESPACE])
    assert "agents.close" in taught(served.backend.requests[0])
    (item,) = response["output"]
    assert (item["type"], item["namespace"], item["name"], item["arguments"]) == (
        "function_call",
        "agents",
        "close",
        "{}",
    )
    back = {"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}
    await whole(served, tools=[NAMESPACE], input=[{"role": "user", "content": "Hi"}, item, back])
    said = [message.text for message in served.backend.requests[1].messages]
    assert said[-2:] == [call("agents.close"), '<tool_result name="agents.close">\nok\n</tool_result>']


async def test_a_custom_tool_gets_its_text_as_it_is(served: Served) -> None:
    text = 'one\n"two"\t\\three'
    served.backend.script = (Opened(), Text(call("patch", input=text)), Finish())
    events = await streamed(served, tools=[CUSTOM])
    added, delta, done, item = events[2:6]
    assert types(events)[2:-1] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert (added["item"]["input"], delta["delta"], done["input"]) == ("", text, text)
    assert (item["item"]["type"], item["item"]["name"], item["item"]["input"]) == ("custom_tool_call", "patch", text)
    back = {"type": "custom_tool_call_output", "call_id": item["item"]["call_id"], "output": "ok"}
    await whole(served, tools=[CUSTOM], input=[{"role": "user", "content": "Hi"}, item["item"], back])
    said = [message.text for message in served.backend.requests[1].messages]
    assert said[-2:] == [call("patch", input=text), '<tool_result name="patch">\nok\n</tool_result>']


async def test_an_input_that_does_not_match_its_pattern_is_asked_for_again(served: Served) -> None:
    wrong, right = call("patch", input="1,2,x"), call("patch", input="1,2,3")
    served.backend.scripts = [(Opened(), Text(wrong), Finish()), (Opened(), Text(right), Finish())]
    response = await whole(served, tools=[{**CUSTOM, "format": DIGITS}])
    assert [item["input"] for item in response["output"] if item["type"] == "custom_tool_call"] == ["1,2,3"]
    again = served.backend.requests[1].messages[-1].text
    assert "does not match the regular expression" in again


@pytest.mark.parametrize("definition", ["(", "((((a{1,1000}){1,1000}){1,1000}){1,1000})"])
async def test_a_pattern_that_cannot_be_read_asks_for_nothing(served: Served, definition: str) -> None:
    served.backend.script = (Opened(), Text(call("patch", input="x")), Finish())
    form = {"type": "grammar", "syntax": "regex", "definition": definition}
    response = await whole(served, tools=[{**CUSTOM, "format": form}])
    assert response["output"][0]["input"] == "x"


async def test_an_input_that_does_not_match_its_grammar_is_asked_for_again(served: Served) -> None:
    wrong, right = call("patch", input="aab"), call("patch", input="aaa")
    served.backend.scripts = [(Opened(), Text(wrong), Finish()), (Opened(), Text(right), Finish())]
    response = await whole(served, tools=[{**CUSTOM, "format": LARK}])
    assert [item["input"] for item in response["output"] if item["type"] == "custom_tool_call"] == ["aaa"]
    again = served.backend.requests[1].messages[-1].text
    assert "does not match the grammar in line 1, beginning here: b" in again


PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF
%import common.LF
"""
"""The grammar of Codex's tool for patches."""
ADDED = "*** Begin Patch\n*** Add File: a.txt\n+one\n+two\n"
CHANGED = ADDED + "*** Update File: b.py\n@@ def f():\n-    return 1\n+    return 2\n *** End Patch"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ADDED + "*** End Patch", None),
        (CHANGED + "\n*** End Patch\n", None),
        (ADDED, "it ends too early"),
        (ADDED + "three\n*** End Patch\n", "in line 5, beginning here: three"),
        ("```\n" + ADDED + "*** End Patch\n```", "in line 1, beginning here: ```"),
    ],
)
def test_a_patch_is_checked_as_codex_has_it(text: str, told: str | None) -> None:
    found = lark_misfit(PATCH, text)
    assert (found is None) if told is None else (found is not None and told in found)


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ("start: (", "a"),
        ("begin: /a/", "a"),
        ("start: /a(?=b)b/", "ab"),
        ('start: start start | "a"', "a" * 3_000 + "b"),
        ('start: a\na: a a a | "x" |', "x" * 3_000 + "b"),
        ("start: /((((a{1,1000}){1,1000}){1,1000}){1,1000})/", "a" * 50 + "b"),
        ("start: " + "(" * 5_000 + '"a"' + ")" * 5_000, "b"),
        ('start: "a"' + " " * LONGEST_GRAMMAR, "b"),
    ],
)
def test_a_grammar_that_cannot_be_read_or_takes_long_asks_for_nothing(grammar: str, text: str) -> None:
    begun = time.process_time()
    assert lark_misfit(grammar, text) is None
    assert time.process_time() - begun < 3 * LONGEST


@pytest.mark.parametrize("pattern", ["(a+)+b", "(.*a){20}", "(a|aa)*c"])
def test_a_pattern_within_a_grammar_takes_linear_time(pattern: str) -> None:
    def cost(length: int) -> float:
        begun = time.process_time()
        assert lark_misfit(f"start: /{pattern}/", "a" * length + "!") is not None
        return time.process_time() - begun

    assert cost(8_000) < 20 * max(cost(1_000), 0.005)


async def test_a_grammar_is_taught(served: Served) -> None:
    await whole(served, tools=[{**CUSTOM, "format": LARK}])
    assert "Lark grammar" in taught(served.backend.requests[0])
    assert 'start: "a"+' in taught(served.backend.requests[0])


async def test_tools_that_others_run_are_passed_over(served: Served) -> None:
    await whole(served, tools=[*BUILT_IN, FUNCTION], tool_choice={"type": "file_search"})
    await whole(served, tools=BUILT_IN, tool_choice="required")
    first, second = served.backend.requests
    assert "weather" in taught(first)
    assert "file_search" not in taught(first)
    assert taught(second) == ""


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
async def test_a_web_search_switches_the_site_s_on(served: Served, kind: str) -> None:
    await whole(served, tools=[{"type": kind}], tool_choice={"type": kind})
    await whole(served, tools=[{"type": kind}], tool_choice="none")
    await whole(served)
    assert [request.model.search for request in served.backend.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", "Where no tool helps"),
        ({"type": "auto"}, "Where no tool helps"),
        ("required", "you must call a tool"),
        ({"type": "function", "name": "weather"}, "you must call the tool weather"),
        ({"type": "custom", "name": "patch"}, "you must call the tool patch"),
    ],
)
async def test_the_choice_of_tools_is_told_to_the_model(served: Served, choice: Any, told: str) -> None:
    served.backend.script = (Opened(), Text(call("weather", city="Rome")), Finish())
    await whole(served, tools=[FUNCTION, CUSTOM], tool_choice=choice)
    assert told in taught(served.backend.requests[0])


async def test_only_allowed_tools_are_shown(served: Served) -> None:
    tools = [FUNCTION, CUSTOM, {"type": "web_search"}]
    allowed: dict[str, Any] = {"type": "allowed_tools", "tools": [{"type": "custom", "name": "patch"}]}
    await whole(served, tools=tools, tool_choice=allowed)
    (request,) = served.backend.requests
    assert "patch" in taught(request)
    assert "weather" not in taught(request)
    assert not request.model.search
    await whole(served, tools=tools, tool_choice={**allowed, "tools": [*allowed["tools"], {"type": "web_search"}]})
    assert served.backend.requests[1].model.search
    wrong = {**allowed, "tools": [{"type": "function", "name": "none"}]}
    assert (await refused(served, tools=tools, tool_choice=wrong))[:2] == (400, "tool_choice.tools[0]")


async def test_no_tools_are_shown_where_none_may_be_called(served: Served) -> None:
    await whole(served, tools=[FUNCTION], tool_choice="none")
    assert taught(served.backend.requests[0]) == ""


async def test_only_one_call_is_taken_where_they_may_not_be_parallel(served: Served) -> None:
    text = "\n".join(2 * [call("weather", city="Rome")])
    served.backend.script = (Opened(), Text(text), Finish())
    response = await whole(served, tools=[FUNCTION], parallel_tool_calls=False)
    assert [item["type"] for item in response["output"]].count("function_call") == 1
