"""What clients send as the input of a response, and the chat that it becomes."""

from __future__ import annotations

import base64
import json
from typing import Any

from bridge.chat.history_digests import after, digest
from bridge.chat.types import Finish, Opened, Text
from tests.support.fake_backend import Served
from tests.support.responses import FUNCTION, refused, whole

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
ASKED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How warm?"}]}


def called(call_id: str, city: str = "Rome") -> dict[str, Any]:
    arguments = json.dumps({"city": city})
    return {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": arguments}


def output(call_id: str, given: Any = "21 degrees") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": given}


async def said(served: Served, items: Any, **more: Any) -> list[tuple[str, str]]:
    """Return the messages that the site gets for `items`."""
    await whole(served, input=items, **more)
    return [(message.role, message.text) for message in served.backend.requests[-1].messages]


async def test_all_roles_and_kinds_of_text_are_taken(served: Served) -> None:
    items = [
        {
            "role": "developer",
            "content": [{"type": "input_text", "text": "Be"}, {"type": "input_text", "text": "brief."}],
        },
        {"role": "user", "content": "Hi"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ho", "annotations": []}]},
        {"role": "user", "content": "Bad words"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "system", "content": "Now."},
        {"role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
    ]
    assert await said(served, items, instructions="First.") == [
        ("system", "First."),
        ("system", "Be\nbrief."),
        ("user", "Hi"),
        ("assistant", "Ho"),
        ("user", "Bad words"),
        ("assistant", "No."),
        ("system", "Now."),
        ("user", "And now?"),
    ]


async def test_pictures_and_files_come_with_their_message(served: Served) -> None:
    file = {"type": "input_file", "filename": "a.txt", "file_data": base64.b64encode(b"abc").decode()}
    parts = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
        file,
    ]
    await whole(served, input=[{"role": "user", "content": parts}])
    first, second = served.backend.requests[0].messages[0].attachments
    assert (first.media_type, second.name, second.data) == ("image/png", "a.txt", b"abc")


async def test_what_a_tool_returns_may_be_parts_with_a_picture(served: Served) -> None:
    parts = [{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": PICTURE}]
    await whole(served, input=[ASKED, called("c"), output("c", parts)], tools=[FUNCTION])
    result = served.backend.requests[0].messages[-1]
    assert result.text == '<tool_result name="weather">\nSee\n</tool_result>'
    assert len(result.attachments) == 1


async def test_the_calls_of_one_answer_are_one_turn_and_results_know_their_calls(served: Served) -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    items = [ASKED, reasoning, called("c1"), called("c2", "Oslo"), output("c1"), output("c2", "3 degrees")]
    messages = await said(served, items, tools=[FUNCTION])
    assert messages[-2] == ("assistant", f"{CALL}\n{CALL.replace('Rome', 'Oslo')}")
    assert messages[-1] == (
        "tool",
        '<tool_result name="weather" call="1">\n21 degrees\n</tool_result>\n'
        '<tool_result name="weather" call="2">\n3 degrees\n</tool_result>',
    )


async def test_items_that_say_nothing_here_are_passed_over(served: Served) -> None:
    silent: list[dict[str, Any]] = [
        {"type": "local_shell_call", "id": "l", "call_id": "l", "status": "completed", "action": {"type": "exec"}},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}},
        {"type": "never_heard_of", "content": 7},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {},
    ]
    assert await said(served, [*silent, ASKED, *silent]) == [("user", "How warm?")]


async def test_what_is_wrong_in_old_items_refuses_nothing(served: Served) -> None:
    old = [
        {"role": "robot", "content": [{"type": "song"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]},
        {"role": "assistant", "content": "Fine."},
    ]
    messages = await said(served, [*old, {"role": "user", "content": "Go on"}])
    assert messages == [
        ("user", "[song left out]"),
        ("user", "[input_image left out]"),
        ("assistant", "Fine."),
        ("user", "Go on"),
    ]


async def test_the_bridge_knows_the_history_again_that_a_client_sends_back(served: Served) -> None:
    served.backend.script = (Opened(), Text("I look.\n"), Text(CALL), Text("\n" + CALL), Finish())
    response = await whole(served, input=[ASKED], tools=[FUNCTION])
    (first,) = served.backend.requests
    answer = first.returned(f"I look.\n{CALL}\n{CALL}")
    results = [output(item["call_id"]) for item in response["output"] if item["type"] == "function_call"]
    await whole(served, input=[ASKED, *response["output"], *results], tools=[FUNCTION])
    history = served.backend.requests[1].messages[:-1]
    assert digest(after(first.messages, answer)) == digest(history)


async def test_a_text_with_citations_is_known_again(served: Served) -> None:
    from bridge.chat.types import Searched, Source

    found = Searched(("q",), (Source(1, "https://a.example/", "A"),))
    served.backend.script = (Opened(), found, Text("Warm [citation:1]."), Finish())
    response = await whole(served, model="deepseek-search", input=[ASKED])
    (first,) = served.backend.requests
    await whole(served, model="deepseek-search", input=[ASKED, *response["output"], ASKED])
    assert digest(after(first.messages, "Warm [citation:1].")) == digest(served.backend.requests[1].messages[:-1])


async def test_a_reference_to_something_that_is_not_kept_is_refused(served: Served) -> None:
    status, param, message = await refused(served, input=[{"type": "item_reference", "id": "msg_1"}, ASKED])
    assert (status, param) == (404, "input[0].id")
    assert "msg_1" in message


async def test_the_tokens_of_an_input_are_counted_and_nothing_is_asked(served: Served) -> None:
    counted = await served.openai.responses.input_tokens.count(model="deepseek", input="How warm is it?")
    assert (counted.object, counted.input_tokens > 0) == ("response.input_tokens", True)
    assert served.backend.requests == []
