"""A client of the bridge's own HTTP endpoint; it sees what any other client sees."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bridge.errors import BridgeError, SetupError
from bridge.origins import is_loopback
from bridge.settings import Settings
from bridge.sse import SSEDecoder
from bridge.storage.key_files import KeyFile

ANSWER_LIMIT = 5.0
"""Seconds that a bridge gets to answer a short question."""
CHECK_LIMIT = 150.0
"""Seconds that a bridge gets to open an account's page."""
SILENCE_LIMIT = 30.0
"""Seconds of silence after which a stream of events counts as broken."""
ACCOUNTS = "/admin/api/accounts"
READINESS = "/readyz"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that listen everywhere, and where to reach them from here."""

Failures = (aiohttp.ClientError, TimeoutError)
Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer, or of the thinking before it."""

    text: str
    is_thinking: bool = False


class Client:
    """Talks to a bridge at `url`."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    async def is_bridge(self) -> bool:
        """Tell whether a bridge answers at the address."""
        try:
            return bool((await self._get("/"))["name"] == "chat-page-bridge")
        except (BridgeError, KeyError, TypeError):
            return False

    async def unready(self) -> str | None:
        """Return why the bridge could take no chat now, or None."""
        reason: str | None = (await self._get(READINESS)).get("reason")
        return reason

    async def models(self) -> list[str]:
        """Return the names of the listed models; without an account there are none."""
        return [model["id"] for model in (await self._get("/v1/models"))["data"]]

    async def check_model(self, name: str) -> None:
        """Raise the bridge's error if it has no model of that name."""
        await self._get(f"/v1/models/{name}")

    async def stream(self, model: str, messages: Messages) -> AsyncGenerator[Piece]:
        """Send one chat and yield the answer as it arrives; raise `BridgeError` if it does not arrive whole."""
        body = {"model": model, "messages": messages, "stream": True}
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_LIMIT)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=limits) as session,
                session.post(f"{self.url}/v1/chat/completions", json=body) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise _refusal(response.status, await response.text())
                async with aclosing(_pieces(response.content.iter_any())) as pieces:
                    async for piece in pieces:
                        yield piece
        except Failures as error:
            raise BridgeError(f"The connection to {self.url} failed: {error or type(error).__name__}.") from error

    async def accounts(self) -> list[dict[str, Any]]:
        """Return the accounts with their states."""
        found: list[dict[str, Any]] = (await self._get(ACCOUNTS))["accounts"]
        return found

    async def _get(self, path: str) -> Any:
        return await self._ask("GET", path, ANSWER_LIMIT)

    async def _ask(self, method: str, path: str, limit: float, body: object = None) -> Any:
        json_type, limits = {"content-type": "application/json"}, aiohttp.ClientTimeout(total=limit)
        data = None if body is None else json.dumps(body)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers | json_type, timeout=limits) as session,
                session.request(method, self.url + path, data=data) as response,
            ):
                if response.status >= HTTPStatus.BAD_REQUEST and path != READINESS:
                    raise _refusal(response.status, await response.text())
                return await response.json()
        except (*Failures, ValueError) as error:
            raise SetupError(f"No bridge answers at {self.url}; `bridge serve` starts one.") from error

    async def _events(self, path: str) -> AsyncGenerator[bytes]:
        """Yield the bytes of an endless answer; silence for a while means that the bridge is gone."""
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_LIMIT, sock_read=SILENCE_LIMIT)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=limits) as session,
                session.get(self.url + path) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise _refusal(response.status, await response.text())
                async for data in response.content.iter_any():
                    yield data
        except Failures as error:
            raise SetupError(f"No bridge answers at {self.url}; `bridge serve` starts one.") from error


def client_of(settings: Settings, url: str | None, key: str | None) -> Client:
    """Return a client of the bridge at `url`, by default of the one that the settings describe, with its key."""
    return Client(*url_and_key(settings, url, key))


def url_and_key(settings: Settings, url: str | None, key: str | None) -> tuple[str, str]:
    """Return where the bridge is and the key for it, as far as they are not given."""
    return url or reachable(settings.server.host, settings.server.port), key or _local_key(settings.config, url)


def _local_key(config: Path, url: str | None) -> str:
    """Return this machine's admin key, or for a bridge elsewhere a chat key: the admin key never leaves the machine."""
    is_here = url is None or is_loopback(urlsplit(url).hostname or "")
    files = [KeyFile(config, "admin_key")] if is_here else []
    found = (file.keys()[0] for file in (*files, KeyFile(config)) if file.path.exists())
    return next(found, "")


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    """Yield the pieces of the stream, and read it to its end: only then has the bridge recorded the chat."""
    decoder = SSEDecoder()
    is_whole = False
    async for data in stream:
        for event in decoder.feed(data):
            if event.data == "[DONE]":
                is_whole = True
            else:
                for piece in _of_chunk(json.loads(event.data)):
                    yield piece
    if not is_whole:
        raise BridgeError("The answer is incomplete: the bridge closed the connection.")


def _of_chunk(chunk: dict[str, Any]) -> Iterator[Piece]:
    if "error" in chunk:
        raise BridgeError(chunk["error"]["message"])
    for choice in chunk["choices"]:
        if thinking := choice["delta"].get("reasoning_content"):
            yield Piece(thinking, is_thinking=True)
        if text := choice["delta"].get("content"):
            yield Piece(text)


def _refusal(status: int, body: str) -> BridgeError:
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The server there is not a bridge: it answered with HTTP {status}."
    if status == HTTPStatus.UNAUTHORIZED:
        message += " `bridge keys` prints the keys of this machine's bridge."
    return BridgeError(message)


def reachable(host: str, port: int) -> str:
    """Return the URL under which this machine reaches what listens on `host`."""
    name = EVERYWHERE.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def from_here(url: str) -> str:
    """Return a URL of our own as this machine reaches it, also if it listens everywhere."""
    place = urlsplit(url)
    return reachable(place.hostname or "", place.port or 0)


def is_free(host: str, port: int) -> bool:
    """Tell whether a bridge could listen there now."""
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError:
        return False
    return True


def curl_line(url: str, key: str, model: str) -> str:
    """Return a shell command that streams one chat."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}], "stream": True})
    headers = [*([f"Authorization: Bearer {key}"] if key else []), "Content-Type: application/json"]
    return f"curl -N {url}/v1/chat/completions {' '.join(f'-H {header!r}' for header in headers)} -d '{body}'"


def snippet(url: str, key: str, model: str) -> str:
    """Return a Python program that streams one chat through OpenAI's SDK."""
    return f"""\
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="{key or "none"}")
chat = client.chat.completions.create(
    model="{model}", messages=[{{"role": "user", "content": "Hello!"}}], stream=True
)
for chunk in chat:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
"""
