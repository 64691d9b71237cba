"""What a key may, over HTTP: its limits count at once, are told in each dialect's form, and outlive a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.api.access.rate_limiter import RateLimiter
from bridge.chat.types import Finish, Opened, Text
from bridge.errors import NoAccount
from bridge.settings import ServerSettings
from bridge.telemetry import ChatEnded
from tests.support.fake_backend import ADMIN_KEY, Served, serving, soon
from tests.support.operator import SESSION, browser
from tests.support.stress import stress

NOW = 1_800_000_000.0
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
DIALECTS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "OpenAI": ("/v1/chat/completions", {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}, "code"),
    "Responses": ("/v1/responses", {"model": "deepseek", "input": "Hi"}, "code"),
    "Anthropic": (
        "/v1/messages",
        {"model": "deepseek", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]},
        "type",
    ),
    "Gemini": ("/v1beta/models/deepseek:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}, "status"),
    "Ollama": (
        "/api/chat",
        {"model": "deepseek", "stream": False, "messages": [{"role": "user", "content": "Hi"}]},
        "",
    ),
}
KINDS = {
    "OpenAI": "rate_limit_exceeded",
    "Responses": "rate_limit_exceeded",
    "Anthropic": "rate_limit_error",
    "Gemini": "RESOURCE_EXHAUSTED",
}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Limited:
    """A server, and a key with limits on it."""

    def __init__(self, served: Served, clock: Clock, key: dict[str, Any]) -> None:
        self.served, self.clock, self.id = served, clock, key["id"]
        self.headers = {"Authorization": f"Bearer {key['key']}"}

    def post(self, dialect: str = "OpenAI", deadline: str | None = None, **body: Any) -> Any:
        path, given, _ = DIALECTS[dialect]
        more = {} if deadline is None else {"x-bridge-deadline": deadline}
        return self.served.http.post(path, json={**given, **body}, headers={**self.headers, **more})

    async def status(self, dialect: str = "OpenAI", **body: Any) -> int:
        async with self.post(dialect, **body) as response:
            await response.read()
            return int(response.status)

    async def change(self, **limits: Any) -> dict[str, Any]:
        path = f"/admin/api/keys/{self.id}"
        async with self.served.http.patch(path, json=limits, headers=ADMIN) as response:
            changed: dict[str, Any] = await response.json()
            assert response.status == 200, changed
            return changed


@asynccontextmanager
async def limited(server: ServerSettings | None = None, **limits: Any) -> AsyncIterator[Limited]:
    clock = Clock()
    async with serving(server, key_files=True, clock=clock) as served:
        given = {"name": "build server", **limits}
        async with served.http.post("/admin/api/keys", json=given, headers=ADMIN) as response:
            key = await response.json()
            assert response.status == 201, key
        yield Limited(served, clock, key)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_reached_limit_is_told_in_the_form_of_the_dialect_by_its_name(dialect: str) -> None:
    async with limited(requests_per_minute=2) as key:
        assert [await key.status(dialect), await key.status(dialect)] == [200, 200]
        async with key.post(dialect) as response:
            body = await response.json()
            assert (response.status, response.headers["retry-after"]) == (429, "61")
        error = body["error"]
        message = error if isinstance(error, str) else error["message"]
        assert message == (
            "The limit requests_per_minute allows the key 'build server' to begin 2 chats per minute,"
            " of which 2 are used; try again in 61 seconds."
        )
        if dialect in KINDS:
            assert error[DIALECTS[dialect][2]] == KINDS[dialect]
        assert len(key.served.backend.requests) == 2, "nothing was sent"


async def test_a_minute_later_the_key_may_chat_again() -> None:
    async with limited(requests_per_minute=1) as key:
        assert [await key.status(), await key.status()] == [200, 429]
        key.clock.now += 61
        assert await key.status() == 200


async def test_what_is_left_is_told_in_openais_headers() -> None:
    async with limited(requests_per_minute=10, requests_per_day=5, tokens_per_minute=1000) as key:
        key.served.backend.script = (Opened(), Text("word " * 50), Finish())
        async with key.post() as response:
            used = (await response.json())["usage"]["prompt_tokens"]
        told = dict(response.headers)
        assert told["x-ratelimit-limit-requests"] == "5", "of two limits the one of which less is left"
        assert told["x-ratelimit-remaining-requests"] == "4"
        assert told["x-ratelimit-reset-requests"] == "24h1m0s"
        assert told["x-ratelimit-limit-tokens"] == "1000"
        assert 1000 - 200 < int(told["x-ratelimit-remaining-tokens"]) <= 1000 - used
        assert told["x-ratelimit-reset-tokens"] == "1m1s"


async def test_what_is_left_is_told_in_anthropics_headers_also_with_an_error() -> None:
    async with limited(requests_per_minute=1, tokens_per_day=10**6) as key:
        assert await key.status("Anthropic") == 200
        async with key.post("Anthropic") as response:
            assert response.status == 429
        headers = response.headers
        assert headers["anthropic-ratelimit-requests-limit"] == "1"
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-tokens-limit"] == "1000000"
        assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


async def test_the_tokens_of_an_answer_count_and_a_stream_is_refused_by_its_status() -> None:
    async with limited(tokens_per_day=100) as key:
        key.served.backend.script = (Opened(), Text("word " * 200), Finish())
        assert [await key.status(stream=True), await key.status(stream=True)] == [200, 429]
        key.clock.now += 23 * 3600
        async with key.post() as response:
            body = await response.json()
            assert response.headers["x-should-retry"] == "false", "no client should wait for hours"
        assert body["error"]["message"].endswith("try again in 61 minutes.")


async def test_a_prompt_that_no_minute_has_room_for_is_refused_for_good() -> None:
    async with limited(tokens_per_minute=20) as key:
        async with key.post(messages=[{"role": "user", "content": "word " * 100}]) as response:
            assert response.status == 429
            assert response.headers["x-should-retry"] == "false"
            assert "this request alone needs 1" in (await response.json())["error"]["message"]
        assert key.served.backend.requests == []
        assert await key.status() == 200, "what was refused costs no tokens"


async def test_a_chat_that_sent_nothing_gives_its_tokens_back() -> None:
    async with limited(tokens_per_minute=90) as key:
        backend, limiter = key.served.backend, key.served.limiter
        gate = asyncio.Event()
        backend.script = (gate, NoAccount("No account can answer now."))
        asked = asyncio.get_running_loop().create_task(key.status(messages=[{"role": "user", "content": "word " * 40}]))
        await soon(backend.waiting)
        limiter(ChatEnded(backend.requests[0].id, "deepseek", "", "no_account"))
        assert limiter.used(key.id)["tokens_per_minute"] >= 40
        gate.set()
        assert await asked == 503
        assert limiter.used(key.id) == {
            "requests_per_minute": 1,
            "requests_per_day": 1,
            "tokens_per_minute": 0,
            "tokens_per_day": 0,
        }


async def test_a_window_of_a_day_goes_on_after_a_restart() -> None:
    async with limited(requests_per_day=2, tokens_per_day=10**6) as key:
        assert [await key.status(), await key.status()] == [200, 200]
        served = key.served
        async with served.http.get("/admin/api/usage", headers=ADMIN) as response:
            (row,) = (await response.json())["usage"]
        key.clock.now += 3600
        limiter = RateLimiter(served.access.named, clock=key.clock)
        limiter.restore([(int(NOW) // 60 * 60, key.id, row["chats"], row["tokens"])])
        assert limiter.used(key.id) == {
            "requests_per_minute": 0,
            "requests_per_day": 2,
            "tokens_per_minute": 0,
            "tokens_per_day": row["tokens"],
        }


async def test_a_changed_limit_counts_at_once_and_a_removed_one_no_more() -> None:
    async with limited() as key:
        assert await key.status() == 200
        changed = await key.change(requests_per_minute=1)
        assert (changed["limits"]["requests_per_minute"], changed["used"]["requests_per_minute"]) == (1, 1)
        assert await key.status() == 429, "what was used before the limit was set counts"
        await key.change(requests_per_minute=None)
        assert await key.status() == 200


async def test_an_expired_key_is_refused_by_that_name_and_opens_no_more_than_no_key_does() -> None:
    async with limited() as key:
        await key.change(expires="2020-01-01T00:00:00Z")
        async with key.post() as response:
            body = await response.json()
        assert response.status == 401
        assert body["error"]["message"] == "This API key expired on 2020-01-01 00:00 UTC."
        async with key.served.http.get("/readyz", headers=key.headers) as response:
            assert (response.status, "accounts" in await response.json()) == (200, False)


async def test_an_expired_admin_key_opens_no_session() -> None:
    async with limited(scope="admin") as key, browser(key.served) as http:
        given = {"key": key.headers["Authorization"].removeprefix("Bearer ")}
        async with http.post(SESSION, json=given) as response:
            assert response.status == 200
        await key.change(expires="2020-01-01T00:00:00Z")
        http.cookie_jar.clear()
        async with http.post(SESSION, json=given) as response:
            body = await response.json()
            assert (response.status, "set-cookie" in response.headers) == (401, False)
        assert body["error"]["message"] == "This API key expired on 2020-01-01 00:00 UTC."


async def test_a_key_uses_the_models_that_it_may_with_what_those_switch_on_and_sees_no_others() -> None:
    async with limited(models=["deepseek", "DeepSeek-Reasoner"]) as key:
        assert await key.status(model="deepseek-silent") == 200
        assert await key.status(model="deepseek-reasoner") == 200
        refused: list[dict[str, Any]] = [{"model": "deepseek-think"}, {"model": "deepseek-chat"}]
        for body in (*refused, {"reasoning_effort": "high"}):
            async with key.post(**body) as response:
                error = (await response.json())["error"]
            assert (response.status, error["code"], error["param"]) == (403, "permission_denied", "model")
            assert "not allowed for the key 'build server'; allowed: deepseek, DeepSeek-Reasoner." in error["message"]
        async with key.served.http.get("/v1/models", headers=key.headers) as response:
            assert [one["id"] for one in (await response.json())["data"]] == ["deepseek", "deepseek-reasoner"]


async def test_each_choice_counts_as_a_chat_and_so_does_a_response_in_the_background() -> None:
    async with limited(requests_per_minute=3) as key:
        assert await key.status(n=4) == 429
        assert await key.status(n=2) == 200
        assert await key.status("Responses", background=True) == 200
        assert await key.status("Responses", background=True) == 429


async def test_the_messages_of_a_socket_count() -> None:
    async with limited(requests_per_minute=1) as key:
        async with key.served.http.ws_connect("/v1/responses", headers=key.headers) as socket:
            asked = {"type": "response.create", "model": "deepseek", "input": "Hi"}
            await socket.send_json(asked)
            while (event := await socket.receive_json(timeout=10))["type"] != "response.completed":
                assert event["type"] != "error"
            await socket.send_json(asked)
            event = await socket.receive_json(timeout=10)
        assert (event["type"], event["status"], event["code"]) == ("error", 429, "rate_limit_exceeded")


async def test_the_limits_of_a_key_reach_the_queue_with_its_chat() -> None:
    async with limited(parallel=2, share=3, accounts=["alice"]) as key:
        async with key.post(deadline="2.5") as response:
            assert response.status == 200
        (request,) = key.served.backend.requests
        assert (request.caller.id, request.caller.name) == (key.id, "build server")
        assert (request.caller.parallel, request.caller.share, request.start_within) == (2, 3, 2.5)
        assert (request.caller.may_use("alice"), request.caller.may_use("bob")) == (True, False)


@pytest.mark.parametrize("given", ["", "soon", "0", "-1", "nan", "inf", "1e9"])
async def test_a_deadline_that_is_none_is_refused_by_the_name_of_its_header(given: str) -> None:
    async with limited() as key, key.post(deadline=given) as response:
        error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, "x-bridge-deadline")


async def test_the_place_in_the_queue_is_in_the_headers_of_a_stream_that_still_waits_and_of_every_answer() -> None:
    async with limited(ServerSettings(headers_after=0.01)) as key:
        backend, gate = key.served.backend, asyncio.Event()
        backend.script = (gate, Opened(), Text("Hello"), Finish())
        backend.place = 4
        async with key.post(stream=True) as response:
            assert response.headers["x-bridge-queue-position"] == "4"
            gate.set()
            await response.read()
    async with limited(ServerSettings()) as key:  # whose headers come with the answer, however late that is
        key.served.backend.script = (Opened(place=2), Text("Hello"), Finish())
        for stream in (True, False):
            async with key.post(stream=stream) as response:
                assert response.headers["x-bridge-queue-position"] == "2"


async def test_a_bridge_without_keys_records_all_chats_as_those_of_nobody() -> None:
    async with serving(locked=False) as served:
        body = {"model": "deepseek-r1-search-fold", "messages": [{"role": "user", "content": "Hi"}]}
        unknown = {"Authorization": "Bearer whatever a client insists on"}
        async with served.http.post("/v1/chat/completions", json=body, headers=unknown) as response:
            assert response.status == 200
            usage = (await response.json())["usage"]
        path = "/admin/api/usage?by=key,model"
        async with served.http.get(path, headers=ADMIN) as response:
            (row,) = (await response.json())["usage"]
        assert row == {
            "key": "",
            "name": "",
            "model": "deepseek-think-search",
            "chats": 1,
            "failed": 0,
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "tokens": usage["total_tokens"],
        }


async def test_usage_is_told_by_key_model_and_account_as_json_and_as_csv() -> None:
    async with limited() as key:
        backend, http = key.served.backend, key.served.http
        assert await key.status() == 200
        backend.script = (NoAccount("Nobody is here."),)
        assert await key.status() == 503
        async with http.get("/admin/api/usage?since=1h&by=model,key", headers=ADMIN) as response:
            told = await response.json()
        (row,) = told["usage"]
        assert (told["by"], row["model"], row["name"], row["chats"], row["failed"]) == (
            ["model", "key"],
            "deepseek",
            "build server",
            2,
            1,
        )
        async with http.get("/admin/api/usage.csv?since=2020-01-01", headers=ADMIN) as response:
            head, line, _ = (await response.text()).split("\r\n")
            assert response.content_type == "text/csv"
        assert head.startswith("key,name,chats,failed")
        assert line.startswith(f"{key.id},build server,2,1,")


@pytest.mark.parametrize("query", ["since=yesterday", "since=99999999d", "by=colour", "by=" + "key," * 100])
async def test_a_question_about_usage_that_cannot_be_read_names_its_parameter(query: str) -> None:
    async with limited() as key, key.served.http.get(f"/admin/api/usage?{query}", headers=ADMIN) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, query.partition("=")[0])


async def test_what_a_key_may_is_listed_and_a_bad_limit_is_refused() -> None:
    async with limited(parallel=2) as key:
        async with key.served.http.get("/admin/api/keys", headers=ADMIN) as response:
            found = {one["name"]: one for one in (await response.json())["keys"]}
        assert (found["build server"]["limits"]["parallel"], found["build server"]["plain"]) == (2, False)
        assert found["api_keys, key 1"]["plain"]
        for id_, status in ((key.id, 400), (found["api_keys, key 1"]["id"], 400), ("nobody", 404)):
            bad = {"share": 0} if id_ == key.id else {"share": 2}
            async with key.served.http.patch(f"/admin/api/keys/{id_}", json=bad, headers=ADMIN) as response:
                assert response.status == status
        async with key.served.http.patch(f"/admin/api/keys/{key.id}", json={}, headers=key.headers) as response:
            assert response.status == 403, "no key raises its own limits"


@stress
async def test_many_chats_at_once_are_never_more_than_the_limit() -> None:
    async with limited(requests_per_minute=20) as key:
        statuses = await asyncio.gather(*(key.status(stream=bool(number % 2)) for number in range(60)))
        assert sorted(statuses) == [200] * 20 + [429] * 40
        assert json.dumps(key.served.limiter.used(key.id))
