"""Conversations: what is kept of them, and responses that go on in them."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from bridge.api.responses.responses_conversations import MOST_ITEMS
from bridge.chat.history_digests import after, digest
from bridge.chat.types import Finish, Opened, Text
from bridge.settings import ResponseSettings
from tests.api.responses.test_responses_background import followed
from tests.support.fake_backend import ADMIN_KEY, Served, serving
from tests.support.responses import FUNCTION, refused, streamed, whole

PATH = "/v1/conversations"
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
ITEMS: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"type": "message", "role": "assistant", "content": "I look."},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "Warm"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "Done"}]},
]


async def begun(served: Served, **body: Any) -> str:
    """Return the id of a new conversation."""
    async with served.http.post(PATH, json=body) as response:
        assert response.status == 200, await response.text()
        id_: str = (await response.json())["id"]
        return id_


async def items(served: Served, id_: str, **query: str) -> dict[str, Any]:
    """Return a page of the items."""
    async with served.http.get(f"{PATH}/{id_}/items", params={"order": "asc", **query}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def error(served: Served, method: str, path: str, **more: Any) -> tuple[int, str | None]:
    async with served.http.request(method, f"{PATH}{path}", **more) as response:
        return response.status, (await response.json())["error"]["param"]


async def test_a_conversation_is_begun_marked_and_deleted(served: Served) -> None:
    conversations = served.openai.conversations
    made = await conversations.create(metadata={"a": "b"})
    assert (made.id[:5], made.metadata) == ("conv_", {"a": "b"})
    marked = await conversations.update(made.id, metadata={"c": "d"})
    assert (marked.metadata, marked.created_at) == ({"c": "d"}, made.created_at)
    assert await conversations.retrieve(made.id) == marked
    assert (await conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await conversations.retrieve(made.id)


async def test_items_of_all_kinds_are_listed_in_the_form_of_the_types(served: Served) -> None:
    id_ = await begun(served, items=ITEMS)
    found = (await items(served, id_))["data"]
    assert [item["type"] for item in found] == [item.get("type", "message") for item in ITEMS]
    assert len({item["id"] for item in found}) == len(ITEMS)
    assert found[0]["content"] == [{"type": "input_text", "text": "Be brief."}]
    assert found[3]["content"] == [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]


CITED = {"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://a.example/", "title": "A"}


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (
            {
                "type": "web_search_call",
                "id": "ws_1",
                "action": {"query": "q", "queries": ["q", 7], "sources": [7, {}]},
            },
            {"action": {"type": "search", "query": "q", "queries": ["q"], "sources": []}},
        ),
        (
            {"type": "web_search_call", "action": {"sources": [{"type": "x", "url": "https://a.example/"}]}},
            {
                "action": {
                    "type": "search",
                    "query": "",
                    "queries": [],
                    "sources": [{"type": "url", "url": CITED["url"]}],
                }
            },
        ),
        ({"type": "web_search_call", "action": 7}, {"action": {"type": "search", "query": "", "queries": []}}),
        ({"type": "compaction", "encrypted_content": "x"}, {"encrypted_content": "x"}),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"content": [{"type": "refusal", "refusal": "No."}]},
        ),
        (
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": [7, CITED, {}]}]},
            {"content": [{"type": "output_text", "text": "Hi", "annotations": [CITED], "logprobs": []}]},
        ),
    ],
)
async def test_of_an_item_is_listed_what_its_type_has(
    served: Served, item: dict[str, Any], shown: dict[str, Any]
) -> None:
    id_ = await begun(served, items=[{**item, "more": 7}])
    (found,) = (await items(served, id_))["data"]
    assert {name: found[name] for name in found.keys() - {"id", "type", "status", "role"}} == shown
    (typed,) = [one async for one in served.openai.conversations.items.list(id_)]
    assert (typed.id, typed.type) == (found["id"], item.get("type", "message"))


async def test_items_are_added_found_and_deleted(served: Served) -> None:
    id_ = await begun(served)
    resource = served.openai.conversations.items
    added = await resource.create(id_, items=ITEMS[:2])  # type: ignore[arg-type]
    assert (added.first_id, added.last_id) == (added.data[0].id, added.data[1].id)
    first = added.first_id
    assert (await resource.retrieve(first, conversation_id=id_)) == added.data[0]
    assert (await resource.delete(first, conversation_id=id_)).id == id_
    assert [item["id"] for item in (await items(served, id_))["data"]] == [added.last_id]
    assert await error(served, "GET", f"/{id_}/items/{first}") == (404, "item_id")
    assert await error(served, "DELETE", f"/{id_}/items/{first}") == (404, "item_id")


async def test_a_list_comes_in_pages(served: Served) -> None:
    id_ = await begun(served, items=[{"role": "user", "content": str(number)} for number in range(25)])
    page = await items(served, id_)
    assert (len(page["data"]), page["has_more"], page["last_id"]) == (20, True, page["data"][-1]["id"])
    rest = await items(served, id_, after=page["last_id"])
    assert [item["content"][0]["text"] for item in rest["data"]] == ["20", "21", "22", "23", "24"]
    assert not rest["has_more"]
    newest = await items(served, id_, order="desc", limit="1")
    assert newest["data"][0]["content"][0]["text"] == "24"
    seen = [item async for item in served.openai.conversations.items.list(id_, limit=7)]
    assert len(seen) == 25
    for query, param in (({"limit": "0"}, "limit"), ({"order": "up"}, "order"), ({"limit": "101"}, "limit")):
        assert await error(served, "GET", f"/{id_}/items", params=query) == (400, param)
    assert await error(served, "GET", f"/{id_}/items", params={"after": "msg_none"}) == (404, "after")


async def test_responses_go_on_in_a_conversation_with_a_history_that_the_bridge_knows(served: Served) -> None:
    id_ = await begun(served)
    await whole(served, input="One", conversation=id_)
    await streamed(served, input="Two", conversation={"id": id_}, store=False)
    third = await whole(served, input="Three", conversation=id_)
    requests = served.backend.requests
    assert [message.text for message in requests[2].messages] == ["One", "Hello", "Two", "Hello", "Three"]
    assert digest(after(requests[1].messages, "Hello")) == digest(requests[2].messages[:-1])
    assert third["conversation"] == {"id": id_}
    roles = [item.get("role") for item in (await items(served, id_))["data"] if item["type"] == "message"]
    assert roles == ["user", "assistant"] * 3


async def test_a_conversation_that_has_the_question_already_needs_no_input(served: Served) -> None:
    id_ = await begun(served, items=[{"role": "user", "content": "One"}])
    made = await whole(served, input=None, conversation=id_)
    assert [message.text for message in served.backend.requests[0].messages] == ["One"]
    assert [item["type"] for item in (await items(served, id_))["data"]] == ["message", "reasoning", "message"]
    assert made["output"][1]["id"] == (await items(served, id_))["data"][-1]["id"]
    assert (await refused(served, input=None, conversation=await begun(served)))[:2] == (400, "input")


async def test_calls_and_results_go_on_in_a_conversation_as_they_were(served: Served) -> None:
    id_ = await begun(served)
    served.backend.scripts = [(Opened(), Text(CALL), Finish())]
    made = await whole(served, input="One", conversation=id_, tools=[FUNCTION])
    output = {"type": "function_call_output", "call_id": made["output"][0]["call_id"], "output": "Warm"}
    await whole(served, input=[output], conversation=id_, tools=[FUNCTION])
    first, second = served.backend.requests
    assert digest(after(first.messages, CALL)) == digest(second.messages[:-1])
    assert "Warm" in second.messages[-1].text


async def test_a_response_in_the_background_goes_on_in_a_conversation(served: Served) -> None:
    id_ = await begun(served, items=ITEMS[1:2])
    made = await whole(served, input="Two", conversation=id_, background=True)
    await followed(served, made["id"])
    assert len((await items(served, id_))["data"]) == 4


async def test_a_response_of_a_conversation_is_gone_on_from_without_it(served: Served) -> None:
    id_ = await begun(served)
    await whole(served, input="One", conversation=id_)
    second = await whole(served, input="Two", conversation=id_)
    await served.openai.conversations.delete(id_)
    await whole(served, input="Three", previous_response_id=second["id"])
    assert [message.text for message in served.backend.requests[2].messages] == [
        "One",
        "Hello",
        "Two",
        "Hello",
        "Three",
    ]


async def test_a_failed_response_leaves_a_conversation_as_it_was(served: Served) -> None:
    id_ = await begun(served)
    served.backend.script = (Opened(), Finish())
    assert (await refused(served, conversation=id_))[0] == 502
    assert (await items(served, id_))["data"] == []


async def test_another_key_finds_no_conversation(served: Served) -> None:
    id_ = await begun(served, items=ITEMS)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": ITEMS}),
        ("GET", "/items/rs_1", None),
        ("DELETE", "/items/rs_1", None),
    ):
        assert await error(served, method, f"/{id_}{path}", json=body, headers=headers) == (404, "id")
    asked = {"model": "deepseek", "input": "Hi", "conversation": id_}
    async with served.http.post("/v1/responses", json=asked, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (404, "conversation")
    assert len((await items(served, id_))["data"]) == len(ITEMS)


async def test_responses_and_conversations_are_not_taken_for_each_other(served: Served) -> None:
    id_, made = await begun(served), await whole(served)
    assert await error(served, "GET", f"/{made['id']}") == (404, "id")
    assert (await refused(served, conversation=made["id"]))[:2] == (404, "conversation")
    assert (await refused(served, previous_response_id=id_))[:2] == (404, "previous_response_id")
    async with served.http.get(f"/v1/responses/{id_}") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": 7}, "items"),
        ({"items": ["Hi"]}, "items[0]"),
        ({"items": [{}]}, "items[0].type"),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items[0].type"),
        ({"items": [{"role": "robot", "content": "Hi"}]}, "items[0].role"),
        ({"items": [{"role": "user", "content": 7}]}, "items[0].content"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
    ],
)
async def test_what_is_no_conversation_is_refused_by_its_field(served: Served, body: Any, param: str) -> None:
    assert await error(served, "POST", "", json=body) == (400, param)


@pytest.mark.slow
async def test_a_conversation_that_has_no_room_says_so_before_it_loses_anything(served: Served) -> None:
    many = [{"role": "user", "content": "Hi"}] * MOST_ITEMS
    assert await error(served, "POST", "", json={"items": [*many, *ITEMS]}) == (400, "items")
    id_ = await begun(served, items=many[:-1])
    assert await error(served, "POST", f"/{id_}/items", json={"items": ITEMS}) == (400, "items")
    status, param, message = await refused(served, conversation=id_)
    assert (status, param) == (400, "conversation")
    assert str(MOST_ITEMS) in message
    assert served.backend.requests == []


async def test_a_bridge_that_keeps_nothing_says_so() -> None:
    forgetful = serving(responses=ResponseSettings(keep=False))
    async with forgetful as served, served.http.post(PATH, json={}) as response:
        assert response.status == 400
        assert "responses.keep" in await response.text()


async def test_nothing_of_it_is_readable_on_disk(served: Served) -> None:
    id_ = await begun(served, items=[{"role": "user", "content": "A secret question"}])
    await items(served, id_)
    assert all(b"secret" not in file.read_bytes() for file in served.config.glob("responses.sqlite*"))
