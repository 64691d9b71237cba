"""What belongs to Anthropic's API beside messages: errors, headers, keys, models, the count of tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bridge.api.anthropic.anthropic_errors import error_body
from bridge.api.http_errors import Failure
from bridge.api.openapi import document
from bridge.chat.rate_limits import RateLimit
from bridge.errors import (
    BridgeError,
    ContextTooLong,
    FileRejected,
    LoginRequired,
    Muted,
    NoAccount,
    PoolFull,
    RateLimited,
    SiteBusy,
    SiteError,
    SiteTimeout,
    StorageError,
)
from bridge.settings import ServerSettings
from tests.api.anthropic.asking import PATH, VERSION, WEATHER, body
from tests.support.described import described
from tests.support.fake_backend import KEY, Served, serving

COUNT = f"{PATH}/count_tokens"


@pytest.fixture
async def small() -> AsyncIterator[Served]:
    async with serving(ServerSettings(max_body=10_000)) as running:
        yield running


async def error_of(served: Served, method: str = "POST", path: str = PATH, **request: Any) -> tuple[int, str, str]:
    """Return status, type and message of an error, all of whose form is checked."""
    async with served.http.request(method, path, **request) as response:
        answer = await response.json()
        assert response.content_type == "application/json"
        assert answer.keys() == {"type", "error", "request_id"}
        assert answer["type"] == "error"
        assert answer["error"].keys() == {"type", "message"}
        assert answer["request_id"] == response.headers["request-id"] == response.headers["x-request-id"]
        return response.status, answer["error"]["type"], answer["error"]["message"]


@pytest.mark.parametrize(
    ("raised", "status", "kind"),
    [
        (FileRejected("x"), 422, "invalid_request_error"),
        (Muted("x"), 403, "permission_error"),
        (PoolFull("x", retry_after=7), 429, "rate_limit_error"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (NoAccount("x"), 503, "overloaded_error"),
        (SiteBusy("x"), 503, "overloaded_error"),
        (LoginRequired("x"), 503, "overloaded_error"),
        (SiteTimeout("x"), 504, "timeout_error"),
        (SiteError("x"), 502, "api_error"),
        (StorageError("x"), 507, "api_error"),
        (ValueError("a secret"), 500, "api_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_before_the_first_event_has_the_status_and_type_of_its_kind(
    served: Served, raised: Exception, status: int, kind: str, stream: bool
) -> None:
    served.backend.script = (raised,)
    found = await error_of(served, json=body(stream=stream))
    assert found[:2] == (status, kind)
    assert "secret" not in found[2]
    assert isinstance(raised, BridgeError) is (found[2] == "x")


async def test_a_thread_is_refused_by_the_code_that_makes_the_sdk_send_the_whole_history(served: Served) -> None:
    for thread in ({"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}):
        async with served.http.post(PATH, json=body(thread=thread)) as response:
            answer = await response.json()
        assert (response.status, answer["error"]["type"]) == (400, "invalid_request_error")
        assert answer["error"]["details"] == {"error_code": "thread_unsupported_request"}
        assert answer["error"]["message"].endswith("send all messages, without thread.")


async def test_a_prompt_that_is_too_long_is_told_in_the_words_by_which_clients_know_to_compact(served: Served) -> None:
    served.backend.script = (ContextTooLong("The site takes less.", param="messages"),)
    assert await error_of(served, json=body()) == (
        400,
        "invalid_request_error",
        "prompt is too long: messages: The site takes less.",
    )


async def test_a_full_queue_says_when_to_come_again(served: Served) -> None:
    served.backend.script = (PoolFull("The queue is full.", retry_after=7),)
    async with served.http.post(PATH, json=body()) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "7")


async def test_a_wrong_request_gets_its_error_whatever_is_wrong_with_it(small: Served) -> None:
    bad = {"x-api-key": "sk-bridge-wrong", "Authorization": ""}
    none = {"Authorization": ""}
    large = body(messages=[{"role": "user", "content": "x" * 20_000}])
    requests: list[tuple[tuple[int, str], dict[str, Any]]] = [
        ((401, "authentication_error"), {"json": body(), "headers": bad}),
        ((401, "authentication_error"), {"json": body(), "headers": none}),
        ((401, "authentication_error"), {"json": body(), "headers": none, "path": COUNT}),
        ((403, "permission_error"), {"json": body(), "headers": {"Host": "evil.example"}}),
        ((413, "request_too_large"), {"json": large}),
        ((413, "request_too_large"), {"json": large, "path": COUNT}),
        ((415, "invalid_request_error"), {"data": "Hi", "headers": {"content-type": "text/plain"}}),
        ((400, "invalid_request_error"), {"data": "{", "headers": {"content-type": "application/json"}}),
        ((400, "invalid_request_error"), {"json": [1]}),
        ((404, "not_found_error"), {"json": body(model="gpt-4o")}),
        ((404, "not_found_error"), {"json": body(model="gpt-4o"), "path": COUNT}),
        ((404, "not_found_error"), {"json": body(), "path": f"{PATH}/batches"}),
        ((404, "not_found_error"), {"json": body(), "path": "/v1/complete", "headers": VERSION}),
        ((404, "not_found_error"), {"method": "GET", "path": "/v1/models/gpt-4o", "headers": VERSION}),
        ((405, "invalid_request_error"), {"method": "GET"}),
        ((405, "invalid_request_error"), {"method": "DELETE", "path": COUNT}),
    ]
    for wanted, request in requests:
        status, kind, message = await error_of(small, **request)
        assert ((status, kind), bool(message)) == (wanted, True), request


async def test_a_wrong_key_is_refused_before_the_body_is_looked_at(served: Served) -> None:
    headers = {"x-api-key": "sk-bridge-wrong", "Authorization": ""}
    assert (await error_of(served, data="{", headers={**headers, "content-type": "application/json"}))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [{"x-api-key": KEY, "Authorization": ""}, {"Authorization": f"Bearer {KEY}"}],
    ids=["x-api-key", "bearer"],
)
@pytest.mark.parametrize("path", [PATH, "/messages", f"{PATH}/", f"{PATH}?beta=true"])
async def test_a_key_may_stand_in_either_header(served: Served, headers: dict[str, str], path: str) -> None:
    async with served.http.post(path, json=body(), headers={**headers, **VERSION}) as response:
        assert response.status == 200


async def test_the_base_url_answers_to_head(served: Served) -> None:
    async with served.http.head("/", headers=VERSION) as response:
        assert response.status == 200
        assert len(response.headers["request-id"]) == 36


async def test_what_limits_the_chats_is_told_as_a_time(served: Served) -> None:
    served.backend.limit = RateLimit(100, 99, 36.0)
    before = datetime.now(UTC)
    async with served.http.post(PATH, json=body()) as response:
        headers = response.headers
    assert [headers[f"anthropic-ratelimit-requests-{name}"] for name in ("limit", "remaining")] == ["100", "99"]
    reset = headers["anthropic-ratelimit-requests-reset"]
    assert reset.endswith("Z")
    wait = datetime.fromisoformat(reset) - before
    assert timedelta(seconds=34) < wait < timedelta(seconds=50)
    assert "x-ratelimit-limit-requests" not in headers


async def test_without_a_limit_no_header_names_one(served: Served) -> None:
    async with served.http.post(PATH, json=body()) as response:
        assert not [name for name in response.headers if "ratelimit" in name.lower()]


# Models


async def test_models_are_listed_in_the_form_that_the_header_asks_for(served: Served) -> None:
    async with served.http.get("/v1/models", headers=VERSION) as response:
        listed = await response.json()
    first, *_, last = listed.pop("data")
    assert listed == {"has_more": False, "first_id": first["id"], "last_id": last["id"]}
    created = first.pop("created_at")
    assert datetime.fromisoformat(created).tzinfo is not None
    assert first == {
        "type": "model",
        "id": "deepseek",
        "display_name": "deepseek",
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
    }
    async with served.http.get("/v1/models") as response:
        assert (await response.json())["object"] == "list"


async def test_a_model_is_described_under_the_name_that_it_was_asked_for(served: Served) -> None:
    for name in ("bounded", "claude-sonnet-4-5"):
        async with served.http.get(f"/v1/models/{name}", headers=VERSION) as response:
            model = await response.json()
        assert (model["id"], model["type"]) == (name, "model")
        assert model["max_input_tokens"] == (1000 if name == "bounded" else None)


# Tokens


async def test_tokens_are_counted_without_a_chat(served: Served) -> None:
    async def count(**more: Any) -> int:
        async with served.http.post(COUNT, json=body(**more)) as response:
            assert response.status == 200
            answer = await response.json()
            assert answer.keys() == {"input_tokens"}
            return int(answer["input_tokens"])

    plain = await count()
    assert 0 < plain < await count(system="Be brief.") < await count(tools=[WEATHER])
    assert served.backend.requests == []
    async with served.http.post(PATH, json=body(tools=[WEATHER])) as response:
        used = (await response.json())["usage"]["input_tokens"]
    assert used == await count(tools=[WEATHER])


async def test_a_bad_request_is_not_counted(served: Served) -> None:
    assert (await error_of(served, path=COUNT, json=body(messages=[])))[0] == 400


# The description


def test_the_description_has_the_errors_of_this_api() -> None:
    described_api = document(described())
    schema = described_api["components"]["schemas"]["AnthropicError"]
    for path in (PATH, COUNT):
        operation = described_api["paths"][path]["post"]
        assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith(
            "AnthropicError"
        )
    kinds = schema["properties"]["error"]["properties"]["type"]["enum"]
    for status in range(400, 600):
        assert error_body(Failure(status, "x", "y", "z"))["error"]["type"] in kinds


async def test_files_have_the_form_of_this_api_and_need_no_purpose(served: Served) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"notes", filename="notes.txt", content_type="text/plain")
    async with served.http.post("/v1/files", data=form, headers=VERSION) as response:
        kept = await response.json()
    assert response.status == 200, kept
    assert datetime.fromisoformat(kept.pop("created_at")) < datetime.fromisoformat(kept.pop("expires_at"))
    named = {"id": kept["id"], "filename": "notes.txt", "mime_type": "text/plain", "size_bytes": 5}
    assert kept == {"type": "file", "downloadable": True, **named}
    block = {"type": "document", "source": {"type": "file", "file_id": kept["id"]}}
    async with served.http.post(PATH, json=body(messages=[{"role": "user", "content": [block]}])) as response:
        assert response.status == 200
    (file,) = served.backend.requests[-1].messages[-1].attachments
    assert (file.name, file.size) == ("notes.txt", 5)
    async with served.http.get("/v1/files", headers=VERSION) as response:
        assert [one["type"] for one in (await response.json())["data"]] == ["file"]
    async with served.http.delete(f"/v1/files/{kept['id']}", headers=VERSION) as response:
        assert await response.json() == {"type": "file_deleted", "id": kept["id"]}
