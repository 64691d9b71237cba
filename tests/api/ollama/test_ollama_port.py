"""The second port: the same application for clients of Ollama that know no other address, and who may use it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from bridge.api.listening import listen, listen_as_ollama
from bridge.api.routes import build_runner
from bridge.errors import SetupError
from bridge.monitor.monitor import Monitor
from bridge.settings import ServerSettings, Settings
from tests.support.browsers import free_port
from tests.support.fake_backend import KEY, FakeBackend, access_of

CHAT = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
FORM = "application/x-www-form-urlencoded"
WITH_KEY = {"authorization": f"Bearer {KEY}"}


@asynccontextmanager
async def listening(folder: Path, **server: Any) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """Serve on both ports; yield the address of the first, and a client of the second one."""
    given = ServerSettings(**{"port": 0, "ollama_port": free_port(), **server})
    settings = Settings(config=folder, server=given)
    async with AsyncExitStack() as stack:
        runner = build_runner(FakeBackend(), settings, access_of(), Monitor(settings))
        url = await listen(stack, runner, settings.server)
        second = await listen_as_ollama(runner, settings.server)
        assert second == f"http://{given.ollama_host}:{given.ollama_port}"
        yield url, await stack.enter_async_context(aiohttp.ClientSession(second))


async def status(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> int:
    async with http.request(method, path, **more) as response:
        await response.read()
        return response.status


async def test_the_second_port_says_what_ollama_says(tmp_path: Path) -> None:
    async with listening(tmp_path) as (url, http):
        async with http.get("/", headers={"accept": "text/html"}) as response:
            assert (response.status, await response.text()) == (200, "Ollama is running")
        async with http.head("/") as response:
            assert response.status == 200
        async with http.get("/nothing", headers=WITH_KEY) as response:
            assert (response.status, [*await response.json()]) == (404, ["error"])
            assert isinstance((await response.json())["error"], str)
        async with http.get("/v1/models", headers=WITH_KEY) as response:
            assert (await response.json())["object"] == "list"
        async with http.get(f"{url}/") as response:
            assert (await response.json())["name"] == "chat-page-bridge"


async def test_the_second_port_asks_for_a_key_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, http):
        assert await status(http, "POST", "/api/chat", json=CHAT) == 401
        assert await status(http, "POST", "/api/chat", json=CHAT, headers=WITH_KEY) == 200


async def test_without_a_key_it_chats_and_does_no_more(tmp_path: Path) -> None:
    async with listening(tmp_path, ollama_no_auth=True) as (url, http):
        assert await status(http, "POST", "/api/chat", json=CHAT) == 200
        assert await status(http, "POST", "/api/chat", json=CHAT, headers={"authorization": "Bearer ollama"}) == 200
        assert await status(http, "POST", "/v1/chat/completions", json=CHAT) == 200
        assert await status(http, "GET", "/admin/api/state") == 401
        for path in ("/api/chat", "/v1/chat/completions"):
            assert await status(http, "POST", f"{url}{path}", json=CHAT) == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": FORM, "origin": "{own}"}, 415),
        ({"content-type": FORM, "sec-fetch-site": "none"}, 415),
    ],
)
async def test_web_pages_do_not_get_at_the_port_without_a_key(
    tmp_path: Path, headers: dict[str, str], expected: int
) -> None:
    async with listening(tmp_path, ollama_no_auth=True) as (_, http):
        own = str(http._base_url).rstrip("/")
        given = {name: text.replace("{own}", own) for name, text in headers.items()}
        given = {"content-type": "application/json", **given}
        assert await status(http, "POST", "/api/chat", data=json.dumps(CHAT), headers=given) == expected


@pytest.mark.parametrize("no_auth", [True, False])
async def test_a_program_need_not_name_the_content_type(tmp_path: Path, no_auth: bool) -> None:
    async with listening(tmp_path, ollama_no_auth=no_auth) as (_, http):
        key = {} if no_auth else WITH_KEY
        ask = partial(status, http, "POST", data=json.dumps(CHAT).encode())
        assert await ask("/api/chat", headers={**key, "content-type": FORM}) == 200  # as curl does
        assert await ask("/api/chat", headers=key, skip_auto_headers=["content-type"]) == 200  # as LiteLLM does
        assert await ask("/api/show", headers={**key, "content-type": FORM}) == 200
        assert await ask("/v1/chat/completions", headers={**key, "content-type": FORM}) == 415


async def test_without_a_key_it_listens_for_this_machine_alone(tmp_path: Path) -> None:
    assert ServerSettings(host="0.0.0.0", ollama_port=11434).ollama_host == "0.0.0.0"
    async with listening(tmp_path, host="0.0.0.0", ollama_no_auth=True) as (url, http):
        assert http._base_url is not None
        assert http._base_url.host == "127.0.0.1"
        assert await status(http, "POST", "/api/chat", json=CHAT) == 200
        assert await status(http, "POST", f"{url.replace('0.0.0.0', '127.0.0.1')}/api/chat", json=CHAT) == 401


async def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"^Port {port} .* choose another one with server\.ollama_port"):
            await AsyncExitStack().enter_async_context(listening(tmp_path, ollama_port=port))


def test_both_ports_cannot_be_the_same() -> None:
    with pytest.raises(ValidationError, match="second port"):
        ServerSettings(port=11434, ollama_port=11434)
    assert ServerSettings().ollama_port is None
