"""Responses that are kept: found again by their key alone, and gone on from."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from bridge.chat.history_digests import after, digest
from bridge.settings import ResponseSettings
from tests.support.fake_backend import ADMIN_KEY, Served, serving
from tests.support.responses import PATH, refused, streamed, whole


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_is_found_again_until_it_is_deleted(served: Served, stream: bool) -> None:
    made = (await streamed(served))[-1]["response"] if stream else await whole(served)
    found = await served.openai.responses.retrieve(made["id"])
    assert found.to_dict(mode="json", exclude_unset=True)["output"] == made["output"]
    items = await served.openai.responses.input_items.list(made["id"])
    assert [item.to_dict()["content"] for item in items.data] == [[{"type": "input_text", "text": "Hi"}]]
    await served.openai.responses.delete(made["id"])
    with pytest.raises(openai.NotFoundError):
        await served.openai.responses.retrieve(made["id"])


async def test_what_goes_on_from_a_response_is_a_history_that_the_bridge_knows(served: Served) -> None:
    first = await whole(served, input="One")
    second = await whole(served, input="Two", previous_response_id=first["id"])
    await whole(served, input="Three", previous_response_id=second["id"])
    requests = served.backend.requests
    assert [message.text for message in requests[2].messages] == ["One", "Hello", "Two", "Hello", "Three"]
    assert digest(after(requests[1].messages, "Hello")) == digest(requests[2].messages[:-1])


@pytest.mark.parametrize("kind", [{"type": "item_reference"}, {"type": None}, {}])
async def test_a_reference_stands_for_the_item(served: Served, kind: dict[str, Any]) -> None:
    first = await whole(served, input="One")
    named = [{**kind, "id": item["id"]} for item in first["output"]]
    await whole(served, input=[{"role": "user", "content": "One"}, *named, {"role": "user", "content": "Two"}])
    assert [message.text for message in served.backend.requests[1].messages] == ["One", "Hello", "Two"]


@pytest.mark.parametrize("name", ["x", "msg_", "msg_0_0", "conv_1"])
async def test_a_reference_to_nothing_is_named(served: Served, name: str) -> None:
    asked = [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": name}]
    assert (await refused(served, input=asked))[:2] == (404, "input[1].id")
    assert served.backend.requests == []


async def test_for_a_user_token_nothing_is_kept_and_what_needs_it_is_refused_before_the_model_is_asked() -> None:
    async with serving(tokens=True) as served:
        served.http.headers["Authorization"] = f"Bearer {'t' * 40}"
        made = await whole(served)
        assert made["store"] is False
        assert (await refused(served, previous_response_id=made["id"]))[:2] == (404, "previous_response_id")
        named = [{"role": "user", "content": "Hi"}, {"id": made["output"][-1]["id"]}]
        assert (await refused(served, input=named))[:2] == (404, "input[1].id")
        assert (await refused(served, background=True))[:2] == (400, "background")
        async with served.http.post(f"{PATH}/compact", json={"model": "deepseek", "input": "Hi"}) as response:
            assert response.status == 400
            assert "API key" in (await response.json())["error"]["message"]
        assert len(served.backend.requests) == 1


async def test_another_key_finds_nothing(served: Served) -> None:
    made = await whole(served)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    asked: dict[str, Any] = {"model": "deepseek", "input": "Hi", "previous_response_id": made["id"]}
    for method, path, body in (
        ("GET", f"{PATH}/{made['id']}", None),
        ("DELETE", f"{PATH}/{made['id']}", None),
        ("POST", PATH, asked),
    ):
        async with served.http.request(method, path, json=body, headers=headers) as response:
            assert response.status == 404
    await served.openai.responses.retrieve(made["id"])


async def test_a_response_that_shall_not_be_kept_is_not(served: Served) -> None:
    made = await whole(served, store=False)
    assert (await refused(served, previous_response_id=made["id"]))[:2] == (404, "previous_response_id")
    assert (await refused(served, conversation="conv_1"))[:2] == (404, "conversation")


async def test_a_bridge_that_keeps_nothing_says_so_in_its_response() -> None:
    async with serving(responses=ResponseSettings(keep=False)) as served:
        made = await whole(served, store=True)
        assert made["store"] is False
        assert (await refused(served, previous_response_id=made["id"]))[:2] == (404, "previous_response_id")


async def test_nothing_of_it_is_readable_on_disk(served: Served) -> None:
    made = await whole(served, input="A secret question")
    await served.openai.responses.retrieve(made["id"])
    files = list(served.config.glob("responses.sqlite*"))
    assert files
    for file in files:
        content = file.read_bytes()
        assert b"secret" not in content
        assert file.stat().st_mode & 0o077 == 0
