"""Responses that run on without their client: found, followed and stopped by their id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.api.responses.responses_background import MOST_RUNNING
from bridge.api.responses.responses_kept import KeptResponses
from bridge.chat.types import ChatEvent, Finish, Opened, Text
from bridge.errors import BrowserError, PoolFull
from bridge.settings import ResponseSettings
from bridge.storage.profile_key import Identity
from bridge.storage.response_store import ResponseStore
from tests.support.fake_backend import ADMIN_KEY, Served, serving, soon
from tests.support.responses import PATH, events_of, refused, text_of, whole
from tests.support.waiting import LIMIT


@pytest.fixture
def served(alone: Served) -> Served:
    """A server for each test: what runs in its background outlives the test."""
    return alone


async def got(served: Served, id_: str) -> dict[str, Any]:
    """Return a response as it is now."""
    async with served.http.get(f"{PATH}/{id_}") as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def followed(served: Served, id_: str, after: int | None = None) -> list[dict[str, Any]]:
    """Return the events of a response behind a number, up to the last one."""
    query = {"stream": "true"} | ({} if after is None else {"starting_after": str(after)})
    async with served.http.get(f"{PATH}/{id_}", params=query) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        return events_of(await response.text(), begin=0 if after is None else after + 1)


async def ended(served: Served, id_: str) -> dict[str, Any]:
    """Return a response once it has ended."""
    await followed(served, id_)
    return await got(served, id_)


async def cancelled(served: Served, id_: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer to a wish to cancel, sent as curl does: without a body."""
    async with served.http.post(f"{PATH}/{id_}/cancel") as response:
        return response.status, await response.json()


async def test_a_response_in_the_background_comes_at_once_and_is_found_when_it_is_complete(served: Served) -> None:
    gate = asyncio.Event()
    served.backend.script = (Opened(), Text("Hel"), gate, Text("lo"), Finish())
    made = await whole(served, background=True)
    assert (made["status"], made["background"], made["output"]) == ("queued", True, [])
    await soon(served.backend.waiting)
    assert (await got(served, made["id"]))["status"] == "in_progress"
    gate.set()
    done = await ended(served, made["id"])
    assert (done["status"], text_of(done)) == ("completed", "Hello")
    assert done["usage"]["total_tokens"] > 0


async def test_the_sdk_polls_it(served: Served) -> None:
    made = await served.openai.responses.create(model="deepseek", input="Hi", background=True)
    assert made.status == "queued"
    await followed(served, made.id)
    assert (await served.openai.responses.retrieve(made.id)).output_text == "Hello"


async def test_a_client_that_leaves_its_stream_ends_nothing(served: Served) -> None:
    gate = asyncio.Event()
    served.backend.script = (Opened(), Text("Hel"), gate, Text("lo"), Finish())
    stream = await served.openai.responses.create(model="deepseek", input="Hi", background=True, stream=True)
    seen = []
    async for event in stream:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    assert [event.type for event in seen[:3]] == ["response.created", "response.queued", "response.in_progress"]
    gate.set()
    rest = await followed(served, seen[0].response.id, seen[-1].sequence_number)  # type: ignore[union-attr]
    assert [event["delta"] for event in rest if "delta" in event] == ["lo"]
    assert text_of(rest[-1]["response"]) == "Hello"


@pytest.mark.parametrize("is_begun", [True, False])
async def test_a_response_that_is_cancelled_stops_the_generation(served: Served, is_begun: bool) -> None:
    before: tuple[ChatEvent, ...] = (Opened(), Text("Half")) if is_begun else ()
    served.backend.script = (*before, asyncio.Event())
    made = await whole(served, background=True)
    await soon(served.backend.waiting)
    status, response = await cancelled(served, made["id"])
    assert (status, response["status"]) == (200, "cancelled")
    assert text_of(response) == ("Half" if is_begun else "")
    assert served.backend.closed.is_set()
    assert await cancelled(served, made["id"]) == (200, response)
    assert await got(served, made["id"]) == response
    assert (await followed(served, made["id"]))[-1]["response"] == response


async def test_the_sdk_cancels_it(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    made = await served.openai.responses.create(model="deepseek", input="Hi", background=True)
    assert (await served.openai.responses.cancel(made.id)).status == "cancelled"


async def test_only_what_runs_in_the_background_can_be_cancelled(served: Served) -> None:
    made = await whole(served)
    status, body = await cancelled(served, made["id"])
    assert (status, body["error"]["param"]) == (400, "id")
    status, body = await cancelled(served, "resp_none")
    assert (status, body["error"]["param"]) == (404, "id")
    made = await whole(served, background=True)
    done = await ended(served, made["id"])
    assert await cancelled(served, made["id"]) == (200, done)


@pytest.mark.parametrize(
    ("error", "code"), [(PoolFull("Full."), "rate_limit_exceeded"), (BrowserError("Lost."), "server_error")]
)
async def test_a_failure_is_the_state_of_the_response(served: Served, error: Exception, code: str) -> None:
    served.backend.script = (error,)
    done = await ended(served, (await whole(served, background=True))["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", code)


async def test_it_must_be_kept(served: Served) -> None:
    assert (await refused(served, background=True, store=False))[:2] == (400, "background")
    async with serving(responses=ResponseSettings(keep=False)) as forgetful:
        status, param, message = await refused(forgetful, background=True)
        assert (status, param) == (400, "background")
        assert "responses.keep" in message
        assert forgetful.backend.requests == []


async def test_it_belongs_to_its_key_while_it_runs(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    id_ = (await whole(served, background=True))["id"]
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    for method, path in (("GET", ""), ("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
        async with served.http.request(method, f"{PATH}/{id_}{path}", headers=headers) as response:
            assert response.status == 404
    assert (await got(served, id_))["status"] in ("queued", "in_progress")


async def test_one_that_is_deleted_while_it_runs_is_stopped(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    id_ = (await whole(served, background=True))["id"]
    await soon(served.backend.waiting)
    async with served.http.delete(f"{PATH}/{id_}") as response:
        assert response.status == 200
    assert served.backend.closed.is_set()
    async with served.http.get(f"{PATH}/{id_}") as response:
        assert response.status == 404


async def test_nothing_goes_on_from_one_that_still_runs(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    id_ = (await whole(served, background=True))["id"]
    assert (await refused(served, previous_response_id=id_))[:2] == (400, "previous_response_id")


@pytest.mark.slow
async def test_no_more_run_at_a_time_than_there_is_room_for(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    for _ in range(MOST_RUNNING):
        await whole(served, background=True)
    assert (await refused(served, background=True))[0] == 429


async def test_one_that_a_stop_of_the_bridge_ends_has_failed() -> None:
    async with serving() as served:
        served.backend.script = (Opened(), asyncio.Event())
        id_ = (await whole(served, background=True))["id"]
        await soon(served.backend.waiting)
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(followed(served, id_))
            await served.app.shutdown()
        last = reader.result()[-1]
        assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
        assert served.backend.closed.is_set()
        assert (await got(served, id_))["status"] == "failed"


async def test_one_that_ran_when_the_bridge_was_killed_has_failed(tmp_path: Path) -> None:
    store = ResponseStore(tmp_path / "responses.sqlite", Identity.generate(), ResponseSettings())
    kept = KeptResponses(store)
    store.keep("me", {"response": {"id": "resp_1", "status": "in_progress", "output": []}, "input": []})
    response = (await kept.find("me", "resp_1"))["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    events = [event async for batch in await kept.events("me", "resp_1", -1) for event in batch]
    assert events[-1]["type"] == "response.failed"
    await store.close()


async def test_a_response_that_runs_is_followed_by_several_readers(served: Served) -> None:
    gate = asyncio.Event()
    served.backend.script = (Opened(), Text("Hel"), gate, Text("lo"), Finish())
    id_ = (await whole(served, background=True))["id"]
    await soon(served.backend.waiting)
    async with (
        served.http.get(f"{PATH}/{id_}", params={"stream": "true"}) as first,
        served.http.get(f"{PATH}/{id_}", params={"stream": "true", "starting_after": "1"}) as second,
    ):  # both have their headers, so both follow while it runs
        gate.set()
        whole_log, rest = events_of(await first.text()), events_of(await second.text(), begin=2)
    assert whole_log[2:] == rest
    assert text_of(rest[-1]["response"]) == "Hello"
