"""The paths beside the chat: models and their further names, the older completions, other origins, the description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from loguru import logger
from pydantic import ValidationError
from yarl import URL

from bridge.api.routes import TABLE
from bridge.settings import ApiSettings, ServerSettings
from tests.support.fake_backend import KEY, Served, serving
from tests.support.sdk import sdk

PAGE = "https://chat.example.com"


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Served]:
    api = ApiSettings(aliases={"gpt-4o": "deepseek-think", "gone": "nothing"}, allowed_origins=(PAGE,))
    async with serving(ServerSettings(), api) as running:
        yield running


# Models


async def test_a_further_name_is_served_under_that_name(served: Served) -> None:
    for name in ("gpt-4o", "GPT-4o"):
        answer = await served.openai.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}])
        assert answer.model == name
    asked = served.backend.requests[-1].model
    assert (asked.id, asked.thinking) == ("deepseek-think", True)


async def test_further_names_are_listed_unless_nothing_stands_behind_them(served: Served) -> None:
    models = {model.id: model async for model in served.openai.models.list()}
    assert "gone" not in models
    extra = models["gpt-4o"].model_extra
    assert extra is not None
    assert "files" not in extra["features"]
    assert (extra["alias_of"], "thinking" in extra["features"]) == ("deepseek-think", True)
    lengths = [(models[name].model_extra or {}).get("context_length") for name in ("bounded", "deepseek")]
    assert lengths == [1000, None]
    assert (models["deepseek"].created > 1_700_000_000, models["deepseek"].owned_by) == (True, "chat-page-bridge")
    with pytest.raises(openai.NotFoundError):
        await served.openai.models.retrieve("gone")


# Completions


async def test_a_completion_is_the_text_of_a_chat(served: Served) -> None:
    answer = await served.openai.completions.create(model="deepseek", prompt="Hi", max_tokens=50)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("Hello", "stop")
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    lenient = served.openai.with_options(_extra_kwargs={"_strict_response_validation": False})
    stream = await lenient.completions.create(  # the SDK's type knows no chunk but the last one
        model="deepseek", prompt=["Hi"], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "Hello"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == answer.usage


@pytest.mark.parametrize("prompt", [None, "", " ", 7, [], ["a", "b"], [[1, 2]]])
async def test_a_prompt_that_is_none_is_refused_by_name(served: Served, prompt: object) -> None:
    async with served.http.post("/v1/completions", json={"model": "deepseek", "prompt": prompt}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"].startswith("prompt")


async def test_several_prompts_are_told_that_they_are_too_many(served: Served) -> None:
    async with served.http.post("/v1/completions", json={"model": "deepseek", "prompt": ["a", "b"]}) as response:
        assert "one text" in (await response.json())["error"]["message"]


# Paths


@pytest.mark.parametrize("path", ["/v1/chat/completion", "/v1/v1/chat/completions", "/" + "x" * 5000, "/v1/%1b%5b2J"])
async def test_a_path_that_is_not_served_is_told_with_what_is(served: Served, path: str) -> None:
    async with served.http.post(URL(path, encoded=True), data=b"{", headers={"content-type": "text/plain"}) as response:
        message = (await response.json())["error"]["message"]
        assert response.status == 404
    assert message.startswith(f"There is no POST {path[:200]}. ")
    assert "POST /v1/chat/completions" in message
    for dialect in ("/v1/responses", "/v1/messages", "/api/chat", "/v1beta/models/{model}:streamGenerateContent"):
        assert f", {dialect}" in message
    assert "/v1." in message
    assert len(message) < 500
    assert message.isprintable()


@pytest.mark.parametrize("prefix", ["/v1", ""])
async def test_a_base_url_may_lack_its_v1(served: Served, prefix: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with sdk(f"http://127.0.0.1:{served.port}{prefix}", KEY) as client:
        answer = await client.chat.completions.create(model="deepseek", messages=[{"role": "user", "content": "Hi"}])
        assert answer.choices[0].message.content == "Hello"
        assert (await client.completions.create(model="deepseek", prompt="Hi")).choices[0].text == "Hello"
        assert (await client.models.retrieve("deepseek")).id == "deepseek"
        kept = await client.files.create(file=("a.txt", b"A"), purpose="assistants")
        assert (await client.files.content(kept.id)).content == b"A"
        with pytest.raises(openai.BadRequestError, match="model"):
            await client.chat.completions.create(model="", messages=[])
    async with served.http.get(f"{prefix}/models/", headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/models", "GET, HEAD"),
        ("POST", "/models", "GET, HEAD"),
        ("TRACE", "/v1/files", "GET, HEAD, POST"),
        ("PROPFIND", "/v1/files/x", "DELETE, GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_with_the_right_ones(served: Served, method: str, path: str, allowed: str) -> None:
    headers = {"content-type": "text/plain"}
    async with served.http.request(method, path, data=b"{", headers=headers) as response:
        error = (await response.json())["error"]
        assert (response.status, response.headers["allow"]) == (405, allowed)
    assert error["message"] == f"{path} allows {allowed}, but not {method}."


# Everything else


@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/images/edits", "/v1/audio/speech", "/v1/moderations", "/v1/assistants"]
)
async def test_what_cannot_be_done_is_not_found_in_openai_s_shape(served: Served, path: str) -> None:
    async with served.http.post(path, json={"model": "deepseek", "input": "Hi"}) as response:
        assert response.status == 404
        assert set((await response.json())["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/", "/ping", "/healthz", "/readyz", "/v1/models", "/docs", "/openapi.json"])
async def test_what_can_be_read_has_a_head(served: Served, path: str) -> None:
    async with served.http.head(path) as response:
        assert response.status == 200
        assert int(response.headers["openai-processing-ms"]) >= 0


async def test_the_description_names_every_path_and_every_field(served: Served) -> None:
    async with served.http.get("/openapi.json") as response:
        made = await response.json()
    assert made["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in made["paths"].items() for method in methods}
    assert described == {(one.method, one.path) for one in served.app[TABLE] if one.summary}
    assert described >= {("POST", "/v1/chat/completions"), ("DELETE", "/v1/files/{id}"), ("GET", "/healthz")}
    unlocked = {path for path, methods in made["paths"].items() if any("security" in one for one in methods.values())}
    assert unlocked == {"/ping", "/healthz", "/readyz", "/pressure", "/admin/api/session"}
    assert {"model", "messages", "tools", "stop", "n"} <= set(made["components"]["schemas"]["Body"]["properties"])
    text = json.dumps(made)
    for name in set(made["components"]["schemas"]) - {"Error"}:
        assert f'"#/components/schemas/{name}"' in text
    async with served.http.get("/docs") as response:
        page = await response.text()
        assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "max_completion_tokens" in page
    assert "<script" not in page


# Other origins


async def test_a_page_of_an_allowed_origin_may_ask_before_it_calls(served: Served) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-lang",
        "Authorization": "",
    }
    async with served.http.options("/v1/chat/completions", headers=headers) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == PAGE
        assert response.headers["access-control-allow-headers"] == "authorization,x-stainless-lang"
        assert "POST" in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_page_of_an_allowed_origin_may_call_and_read(served: Served, stream: bool) -> None:
    body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    async with served.http.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in response.headers["access-control-expose-headers"]
        assert b"Hel" in await response.read()


async def test_an_allowed_origin_is_no_key(served: Served) -> None:
    headers = {"Origin": PAGE, "Authorization": ""}
    async with served.http.get("/v1/models", headers=headers) as response:
        assert response.status == 401
        assert response.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{PAGE}.evil.example", "null", "https://chat.example.com:444"]
)
async def test_every_other_origin_stays_refused(served: Served, origin: str) -> None:
    for headers in ({"Origin": origin}, {"Origin": origin, "Access-Control-Request-Method": "GET"}):
        async with served.http.request(
            "OPTIONS" if len(headers) > 1 else "GET", "/v1/models", headers=headers
        ) as response:
            assert response.status == 403
            assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("more", [{}, {"Access-Control-Request-Method": "POST"}])
async def test_an_allowed_origin_does_not_change_what_the_host_must_be(served: Served, more: dict[str, str]) -> None:
    headers = {"Origin": PAGE, "Host": "evil.example", **more}
    async with served.http.request("OPTIONS" if more else "GET", "/v1/models", headers=headers) as response:
        assert response.status == 403
        assert "server.allowed_hosts" in (await response.json())["error"]["message"]


async def test_a_refused_origin_is_told_which_setting_lists_it_and_the_log_stays_short(alone: Served) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", diagnose=False)
    try:
        for _ in range(50):
            async with alone.http.get("/v1/models", headers={"Origin": f"https://evil\u202e{'x' * 500}"}) as response:
                assert "api.allowed_origins" in (await response.json())["error"]["message"]
    finally:
        logger.remove(sink)
    assert 1 <= len(lines) <= 5
    assert "https://evil" in lines[0]
    assert "api.allowed_origins" in lines[0]
    assert lines[0].strip().isascii()
    assert len(lines[0]) < 300


@pytest.mark.parametrize("origin", ["null", "*", "https://*.example.com", "chat.example.com", "https://a.example/path"])
def test_what_is_no_origin_cannot_be_allowed(origin: str) -> None:
    with pytest.raises(ValidationError, match="null and patterns are refused"):
        ApiSettings(allowed_origins=(origin,))


@pytest.mark.parametrize("origin", ["app://obsidian.md", "tauri://localhost", "http://[::1]:3000", f"{PAGE}/"])
def test_origins_of_desktop_apps_can_be_allowed(origin: str) -> None:
    assert ApiSettings(allowed_origins=(origin,)).allowed_origins == (origin,)


async def test_a_browser_is_allowed_no_headers_that_have_no_name(served: Served) -> None:
    names = ("authorization, x-stainless-lang", "a\u00ff", "authorization, (x)")
    for given, allowed in zip(names, (names[0], "", ""), strict=True):
        headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": given}
        async with served.http.options("/v1/models", headers=headers) as response:
            assert (response.status, response.headers["access-control-allow-headers"]) == (204, allowed)
