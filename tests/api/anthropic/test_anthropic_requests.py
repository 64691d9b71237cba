"""What Anthropic's clients send, and the chat that becomes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest

from bridge.chat.history_digests import after, digest, split
from bridge.chat.types import Message, Opened, Thinking
from bridge.settings import ApiSettings
from bridge.tool_calls.notation import Call, write_call
from tests.api.anthropic.asking import OSLO, PATH, ROME, WEATHER, answer, asked, body, failed, whole
from tests.support.fake_backend import Served, serving

PNG = base64.b64encode(b"\x89PNG picture").decode()
PDF = base64.b64encode(b"%PDF-1.7 text").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
DOCUMENT = {
    "type": "document",
    "title": "report.pdf",
    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
}
THOUGHT = {"type": "thinking", "thinking": "I must look.", "signature": "YnJpZGdl"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
VIEW = {"command": "view", "path": "a.py"}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said, "cache_control": {"type": "ephemeral"}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def result(content: Any, id_: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def called(*calls: dict[str, Any]) -> list[dict[str, Any]]:
    return [user(text("Rome?")), {"role": "assistant", "content": [THOUGHT, *calls]}]


async def messages_of(served: Served, *given: dict[str, Any], **more: Any) -> tuple[Message, ...]:
    return (await asked(served, messages=list(given), **more)).messages


async def ignored_of(served: Served, headers: dict[str, str] | None = None, **more: Any) -> list[str]:
    async with served.http.post(f"{PATH}?beta=true", json=body(**more), headers=headers) as response:
        assert response.status == 200, await response.text()
        return response.headers.get("x-bridge-ignored", "").split(", ")


# System and messages


@pytest.mark.parametrize("system", ["Be brief.\n\nBe kind.", [text("Be brief."), text("Be kind.")]])
async def test_the_system_text_comes_first(served: Served, system: Any) -> None:
    made = await messages_of(served, user(text("Hi")), system=system)
    assert made == (Message("system", "Be brief.\n\nBe kind."), Message("user", "Hi"))


async def test_what_a_client_tells_the_server_alone_is_not_told_the_model(served: Served) -> None:
    system = [text("x-anthropic-billing-header: cc_version=2.1; cch=1f2;"), text("Be brief.")]
    assert (await messages_of(served, user(text("Hi")), system=system))[0] == Message("system", "Be brief.")


async def test_a_system_message_stands_before_what_the_user_said_beside_it(served: Served) -> None:
    made = await messages_of(
        served,
        user(text("One")),
        {"role": "system", "content": [text("# Environment")]},
        {"role": "assistant", "content": "Two"},
        user(text("Three")),
        {"role": "system", "content": "Be quick."},
    )
    assert made == (
        Message("system", "# Environment"),
        Message("user", "One"),
        Message("assistant", "Two"),
        Message("system", "Be quick."),
        Message("user", "Three"),
    )


async def test_a_file_in_a_system_message_is_left_out_by_name(served: Served) -> None:
    made = await messages_of(served, user(text("One")), {"role": "system", "content": [text("See"), IMAGE]})
    assert made == (Message("system", "See\n[file left out]"), Message("user", "One"))


async def test_a_message_that_only_changes_the_tools_asks_for_nothing(served: Served) -> None:
    change = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "oven"}}
    made = await messages_of(served, *called(USE), user(result("Rain")), user(change), tools=[WEATHER])
    assert made[-1].role == "tool"


async def test_blocks_of_text_are_one_message(served: Served) -> None:
    assert await messages_of(served, user(text("<system-reminder>x</system-reminder>"), text("Hi"))) == (
        Message("user", "<system-reminder>x</system-reminder>\nHi"),
    )


async def test_results_of_parallel_calls_name_their_calls(served: Served) -> None:
    second = {**USE, "id": "toolu_2", "input": {"city": "Oslo"}}
    results = user(result([text("Rain")]), result("Snow", "toolu_2"), text("Go on"))
    made = await messages_of(served, *called(USE, second), results, tools=[WEATHER])
    assert made[-3:] == (
        Message("assistant", f"{ROME}\n{OSLO}"),
        Message(
            "tool",
            '<tool_result name="weather" call="1">\nRain\n</tool_result>\n'
            '<tool_result name="weather" call="2">\nSnow\n</tool_result>',
        ),
        Message("user", "Go on"),
    )


@pytest.mark.parametrize(
    ("content", "more", "shown"),
    [
        ("No such city", {"is_error": True}, "Error: No such city"),
        ("Error: none", {"is_error": True}, "Error: none"),
        ("Fine", {"is_error": False}, "Fine"),
        (None, {}, "(no output)"),
        ([], {}, "(no output)"),
        ({"degrees": 21}, {}, '{"degrees": 21}'),
        ([{"type": "tool_reference", "tool_name": "oven"}], {}, "The tool oven can be called now."),
        ([{"type": "hologram"}], {}, "[hologram left out]"),
    ],
)
async def test_the_result_of_a_call(served: Served, content: Any, more: Any, shown: str) -> None:
    made = await messages_of(served, *called(USE), user(result(content, **more)))
    assert made[-1].text == f'<tool_result name="weather">\n{shown}\n</tool_result>'


async def test_a_result_may_bring_pictures_and_documents(served: Served) -> None:
    made = await messages_of(served, *called(USE), user(result([text("Look"), IMAGE, DOCUMENT])))
    assert [file.media_type for file in made[-1].attachments] == ["image/png", "application/pdf"]
    assert "Look" in made[-1].text


# Files


async def test_pictures_and_documents_go_as_files(served: Served) -> None:
    (message,) = await messages_of(served, user(IMAGE, DOCUMENT, text("What is that?")))
    picture, document = message.attachments
    assert message.text == "What is that?"
    assert (picture.media_type, picture.data) == ("image/png", b"\x89PNG picture")
    assert (document.name, document.media_type, document.data) == ("report.pdf", "application/pdf", b"%PDF-1.7 text")


async def test_documents_of_text_stand_in_the_text(served: Served) -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "Once upon a time."}
    blocks = {"type": "content", "content": [text("Part one."), IMAGE, text("Part two.")]}
    found = {"type": "search_result", "source": "https://a.example", "title": "A", "content": [text("Found.")]}
    (message,) = await messages_of(
        served,
        user(
            {"type": "document", "source": plain, "title": "Tale", "context": "For children"},
            {"type": "document", "source": blocks},
            {"type": "document", "source": {"type": "content", "content": "All."}},
            found,
            text("Sum up."),
        ),
    )
    assert message.text == (
        "<document>\ntitle: Tale\ncontext: For children\nOnce upon a time.\n</document>\n"
        "<document>\nPart one.\nPart two.\n</document>\n"
        "<document>\nAll.\n</document>\n"
        "<search_result>\ntitle: A\nsource: https://a.example\nFound.\n</search_result>\n"
        "Sum up."
    )
    assert [file.media_type for file in message.attachments] == ["image/png"]


async def test_a_stored_file_is_taken_by_its_id(served: Served) -> None:
    form = aiohttp.FormData({"purpose": "user_data"})
    form.add_field("file", b"kept", filename="kept.txt")
    async with served.http.post("/v1/files", data=form) as response:
        source = {"type": "file", "file_id": (await response.json())["id"]}
    upload = {"type": "container_upload", "file_id": source["file_id"]}
    (message,) = await messages_of(served, user({"type": "document", "source": source}, upload, text("?")))
    assert [file.name for file in message.attachments] == ["kept.txt", "kept.txt"]


async def test_an_address_is_fetched_only_where_the_settings_allow_it(served: Served) -> None:
    block = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    message = await failed(served, 400, messages=[user(block)])
    assert message.startswith("messages[0].content[0].source.url")
    assert "files.urls" in message


# What goes on


async def test_what_comes_back_of_an_answer_is_what_the_conversation_has(served: Served) -> None:
    raw = f"I will look.\n```xml\n{ROME}\n```\n{OSLO}"
    served.backend.script = (Opened(), Thinking("Hm."), *answer(raw)[1:])
    given: list[Any] = [user(text("Rome and Oslo?"))]
    more = {"tools": [WEATHER], "system": [text("Be brief.")], "thinking": {"type": "adaptive"}}
    message = await whole(served, messages=given, **more)
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    given += [
        {"role": "assistant", "content": message["content"]},
        user(*(result("Rain", call["id"]) for call in calls)),
    ]
    served.backend.script = answer("It rains.", " Everywhere.")
    second = await whole(served, messages=given, **more)
    first, again = served.backend.requests
    known, new = split(again.messages)
    assert digest(known) == digest(after(first.messages, first.returned(raw)))
    assert len(new) == 1
    assert new[0].text.count("Rain") == 2
    given += [{"role": "assistant", "content": second["content"]}, user(text("Thanks"))]
    await whole(served, messages=given, **more)
    known, new = split(served.backend.requests[-1].messages)
    assert digest(known) == digest(after(again.messages, again.returned("It rains. Everywhere.")))
    assert new == (Message("user", "Thanks"),)


async def test_text_that_comes_back_in_several_blocks_is_the_text_that_was_given_out() -> None:
    async with serving(api=ApiSettings(hold_text=0)) as served:
        served.backend.script = (Opened(), *answer("One ", "sen")[1:-1], Thinking("Hm."), *answer("tence.")[1:])
        message = await whole(served)
        assert [block["type"] for block in message["content"]] == ["text", "thinking", "text"]
        first = served.backend.requests[-1]
        back = {"role": "assistant", "content": message["content"]}
        known, _ = split(await messages_of(served, user(text("Hi")), back, user(text("And?"))))
    assert digest(known) == digest(after(first.messages, first.returned("One sentence.")))


async def test_the_servers_own_blocks_in_the_history_say_nothing(served: Served) -> None:
    content = [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        text("Warm."),
    ]
    made = await messages_of(served, user(text("Hi")), {"role": "assistant", "content": content}, user(text("So?")))
    assert made[1] == Message("assistant", "Warm.")


async def test_what_litellm_puts_beside_calls_was_not_said(served: Served) -> None:
    filler = text("[System: Empty message content sanitised to satisfy protocol]")
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    made = [
        await messages_of(served, user(text("Hi")), {"role": "assistant", "content": content}, user(result("21")))
        for content in ([call], [filler, call])
    ]
    assert made[0] == made[1]


async def test_results_without_any_call_are_refused_since_the_history_is_lost(served: Served) -> None:
    told = await failed(served, 400, messages=[user(text("Hi")), user(text("So:"), result("21"))])
    assert told == "messages[1].content[1] is the result of a call that no message has: send all messages."


async def test_what_is_odd_in_the_history_ends_no_session(served: Served) -> None:
    odd = [
        {"role": "robot", "content": 7},
        user({"type": "image", "source": {"type": "base64", "data": "?"}}, {"type": "hologram"}, 5),
        {"role": "assistant", "content": [{"type": "hologram"}, {"type": "tool_use", "name": 5}, 7]},
    ]
    made = await messages_of(served, *odd, user(text("Hi")))
    assert made[0] == Message("user", "7")
    assert made[1].text == "[image left out]\n[hologram left out]\n[part left out]"
    assert made[-1] == Message("user", "Hi")


# Tools


async def test_tools_are_taught_with_their_schema(served: Served) -> None:
    request = await asked(served, tools=[WEATHER])
    assert "weather" in request.messages[0].text
    assert "city: string" in request.messages[0].text


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, "Where no tool helps, just answer"),
        ({"type": "any"}, "you must call a tool"),
        ({"type": "tool", "name": "weather"}, "you must call the tool weather"),
        ({"type": "auto", "disable_parallel_tool_use": True}, "Only one call at a time."),
    ],
)
async def test_the_choice_of_a_tool(served: Served, choice: dict[str, Any], said: str) -> None:
    served.backend.script = answer(ROME)
    assert said in (await asked(served, tools=[WEATHER], tool_choice=choice)).messages[0].text


async def test_without_a_choice_there_are_no_tools(served: Served) -> None:
    assert len((await asked(served, tools=[WEATHER], tool_choice={"type": "none"})).messages) == 1


async def test_one_call_is_all_where_parallel_ones_are_disabled(served: Served) -> None:
    served.backend.script = answer(f"{ROME}\n{OSLO}")
    choice = {"type": "any", "disable_parallel_tool_use": True}
    message = await whole(served, tools=[WEATHER], tool_choice=choice)
    assert [block["type"] for block in message["content"]].count("tool_use") == 1


async def test_the_servers_tools_are_not_offered_and_its_search_is_the_sites(served: Served) -> None:
    tools = [
        SEARCH,
        {"type": "web_fetch_20250910", "name": "web_fetch"},
        {"type": "computer_20250124", "name": "computer"},
    ]
    for choice in (None, {"type": "any"}, {"type": "tool", "name": "web_search"}):
        request = await asked(served, tools=tools, tool_choice=choice)
        assert request.model.search
        assert len(request.messages) == 1
    assert not (await asked(served, tools=tools[1:])).model.search
    assert await ignored_of(served, tools=tools) == ["web_fetch_20250910", "computer_20250124"]


@pytest.mark.parametrize(
    ("kind", "name", "told", "arguments"),
    [
        ("bash_20250124", "bash", "restart?: boolean", {"command": "ls"}),
        ("text_editor_20250728", "str_replace_based_edit_tool", "insert_text?: string", VIEW),
        ("text_editor_20250124", "str_replace_editor", "undo_edit", VIEW),
        ("memory_20250818", "memory", "old_path?: string", VIEW),
    ],
)
async def test_tools_that_only_claude_knows_are_described_and_called(
    served: Served, kind: str, name: str, told: str, arguments: dict[str, Any]
) -> None:
    served.backend.script = answer(write_call(Call(name, json.dumps(arguments))))
    tools = [{"type": kind, "name": name}]
    message = await whole(served, tools=tools, tool_choice={"type": "tool", "name": name})
    assert told in served.backend.requests[-1].messages[0].text
    uses = [(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"]
    assert uses == [(name, arguments)]
    assert await ignored_of(served, tools=tools) == [""]


async def test_a_deferred_tool_is_offered_once_something_refers_to_it(served: Served) -> None:
    late = {"name": "oven", "input_schema": {"type": "object"}, "defer_loading": True}
    refer = result([{"type": "tool_reference", "tool_name": "oven"}])
    assert "oven" not in (await asked(served, tools=[WEATHER, late])).messages[0].text
    made = await messages_of(served, *called(USE), user(refer), tools=[WEATHER, late])
    assert "oven(" in made[0].text
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    assert "oven(" in (await asked(served, tools=[WEATHER, late, search])).messages[0].text


async def test_messages_can_add_and_remove_tools(served: Served) -> None:
    oven = {"name": "oven", "input_schema": {"type": "object"}}
    add = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": oven}}
    remove = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "weather"}}
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch"}
    of_server = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": fetch}}
    odd = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": 7}}}
    made = await messages_of(served, user(text("Hi"), add, of_server, odd, remove), tools=[WEATHER])
    assert "web_fetch(" not in made[0].text
    assert "oven(" in made[0].text
    assert "weather(" not in made[0].text
    assert made[1] == Message("user", "Hi")


# Thinking, models and what has no effect


@pytest.mark.parametrize(
    ("name", "thinking", "thinks"),
    [
        ("deepseek", None, False),
        ("deepseek", {"type": "enabled", "budget_tokens": 1024}, True),
        ("deepseek", {"type": "adaptive"}, True),
        ("deepseek-reasoner", None, True),
        ("deepseek-reasoner", {"type": "disabled"}, False),
        ("claude-3-7-sonnet-thinking", None, True),
        ("claude-3-7-sonnet-thinking", {"type": "disabled"}, False),
    ],
)
async def test_thinking_is_switched_by_the_request_or_by_the_name(
    served: Served, name: str, thinking: Any, thinks: bool
) -> None:
    assert (await asked(served, model=name, thinking=thinking)).model.thinking is thinks


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-5",
        "claude-haiku-4-5-20251001",
        "claude-opus-5-5[1m]",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic/claude-3.5-haiku",
        "opus",
    ],
)
async def test_a_name_of_anthropics_is_the_accounts_first_model(served: Served, name: str) -> None:
    assert (await asked(served, model=name)).model.id == "deepseek"


async def test_an_alias_of_the_operator_counts_more() -> None:
    async with serving(api=ApiSettings(aliases={"claude-haiku-4-5": "deepseek-chat"})) as served:
        assert (await asked(served, model="claude-haiku-4-5")).model.id == "deepseek-chat"
        assert (await asked(served, model="claude-sonnet-4-5")).model.id == "deepseek"


async def test_what_has_no_effect_is_named(served: Served) -> None:
    fields = {"temperature": 1, "top_k": 5, "metadata": {"user_id": "x"}, "service_tier": "auto", "x_new": [1]}
    names = await ignored_of(
        served, {"anthropic-beta": "new-2026-01-01"}, **fields, output_config={"effort": "high"}, context_management={}
    )
    assert sorted(names) == sorted([*fields, "effort", "anthropic-beta"])


async def test_a_client_need_not_say_how_many_tokens_it_wants(served: Served) -> None:
    async with served.http.post(PATH, json={"model": "deepseek", "messages": [user(text("Hi"))]}) as response:
        assert response.status == 200


# What cannot be done


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [user({"type": "hologram"})]}, "messages[0].content[0]"),
        ({"messages": [user(text("Hi"), "Hi")]}, "messages[0].content[1]"),
        ({"messages": [user({"type": "text", "text": 7})]}, "messages[0].content[0].text"),
        ({"messages": [user(result("x"), {"type": "image", "source": {}})]}, "messages[0].content[1].source"),
        (
            {"messages": [user({"type": "image", "source": {"type": "base64", "data": "??"}})]},
            "messages[0].content[0].source.data",
        ),
        ({"messages": [user({"type": "search_result"})]}, "messages[0].content[0].content"),
        (
            {"messages": [user({"type": "document", "source": {"type": "content", "content": [text("Hi"), 7]}})]},
            "messages[0].content[0].source.content[1]",
        ),
        ({"messages": [user({"type": "search_result", "content": [7]})]}, "messages[0].content[0].content[0]"),
        ({"messages": [user(text(""))]}, "messages[0].content"),
        ({"system": 7}, "system"),
        ({"system": [text("Be brief."), IMAGE]}, "system[1]"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": ["x"] * 17}, "stop_sequences"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a b"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "tool", "name": "oven"}, "tools": [WEATHER]}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool"}, "tools": [WEATHER]}, "tool_choice.name"),
        ({"tool_choice": {"type": "perhaps"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"budget_tokens": 1}}, "thinking.type"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ],
)
async def test_a_bad_field_is_named(served: Served, given: dict[str, Any], named: str) -> None:
    assert (await failed(served, 400, **given)).startswith(named)
    assert served.backend.requests == []
