"""A history made short, and the item that stands for it from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.api.responses.responses_compaction import HEAD, PROMPT
from bridge.chat.types import Finish, Opened, Text
from tests.support.fake_backend import ADMIN_KEY, Served, serving
from tests.support.responses import PATH, refused, whole

SUMMARY = "They said one and two."
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Two"},
]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        running.backend.scripts = [(Opened(), Text(SUMMARY), Finish())]
        yield running


async def compacted(served: Served, **body: Any) -> dict[str, Any]:
    """Return what becomes of a history."""
    async with served.http.post(f"{PATH}/compact", json={"model": "deepseek", **body}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def test_the_model_writes_a_summary_and_the_item_of_it_stands_for_the_history(served: Served) -> None:
    made = await compacted(served, input=HISTORY, instructions="Be brief.")
    (item,) = made["output"]
    assert (made["object"], item["type"]) == ("response.compaction", "compaction")
    assert made["usage"]["output_tokens"] > 0
    said = [message.text for message in served.backend.requests[0].messages]
    assert said == ["Be brief.", "One", "Hello", "Two", PROMPT]
    await whole(served, input=[item, {"role": "user", "content": "Three"}])
    said = [message.text for message in served.backend.requests[1].messages]
    assert said == ["One", "Two", f"{HEAD}{SUMMARY}", "Three"]


async def test_the_sdk_compacts_what_goes_on_from_a_response(served: Served) -> None:
    served.backend.scripts = []
    first = await whole(served, input="One")
    made = await served.openai.responses.compact(model="deepseek", previous_response_id=first["id"])
    assert [message.text for message in served.backend.requests[1].messages] == ["One", "Hello", PROMPT]
    assert made.output[0].type == "compaction"


async def test_a_response_after_a_compaction_is_gone_on_from(served: Served) -> None:
    (item,) = (await compacted(served, input=HISTORY))["output"]
    made = await whole(served, input=[item, {"role": "user", "content": "Three"}])
    await whole(served, input="Four", previous_response_id=made["id"])
    said = [message.text for message in served.backend.requests[2].messages]
    assert said == ["One", "Two", f"{HEAD}{SUMMARY}", "Three", "Hello", "Four"]


async def test_nobody_reads_a_compaction_but_the_bridge_for_its_key(served: Served) -> None:
    (item,) = (await compacted(served, input=HISTORY))["output"]
    assert SUMMARY not in str(item)
    asked = {"model": "deepseek", "input": [{"role": "user", "content": "Hi"}, item]}
    async with served.http.post(PATH, json=asked, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "input[1].encrypted_content")


async def test_a_response_that_is_to_be_a_compaction_is_refused_with_the_path_that_makes_one(served: Served) -> None:
    status, param, message = await refused(served, input=[*HISTORY, {"type": "compaction_trigger"}])
    assert (status, param, "/v1/responses/compact" in message) == (400, "input[3].type", True)


@pytest.mark.parametrize("sealed", [None, 7, "", "?", "aGk=", "\ud83d\ude00"])
async def test_what_is_no_compaction_is_refused(served: Served, sealed: object) -> None:
    item = {"type": "compaction", "encrypted_content": sealed}
    status, param, _ = await refused(served, input=[{"role": "user", "content": "Hi"}, item])
    assert (status, param) == (400, "input[1].encrypted_content")


async def test_without_a_history_there_is_nothing_to_make_short(served: Served) -> None:
    async with served.http.post(f"{PATH}/compact", json={"model": "deepseek"}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "input")
