"""A client of the bridge's own HTTP endpoint, without special access."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bridge.errors import BridgeError, SetupError
from bridge.origins import is_loopback, url_of
from bridge.settings import ServerSettings
from bridge.sse import SSEDecoder
from bridge.storage.key_files import KeyFile

ANSWER_LIMIT = 5.0
"""Seconds that a bridge has to answer a short question."""
CHECK_LIMIT = 150.0
"""Seconds that a bridge has to open an account's page."""
SILENCE_LIMIT = 30.0
"""Seconds of silence after which a stream of events counts as broken."""
ACCOUNTS = "/admin/api/accounts"
READINESS = "/readyz"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses for all interfaces, and how this machine reaches them."""

Failures = (aiohttp.ClientError, TimeoutError)
Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer, or of the thinking before it."""

    text: str
    is_thinking: bool = False


class Client:
    """A client of the bridge at `url`; `trust` has the meaning of aiohttp's `ssl`."""

    def __init__(self, url: str, key: str, trust: ssl.SSLContext | bool = True) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._trust = trust

    async def is_bridge(self) -> bool:
        """Tell whether a bridge answers at the address."""
        try:
            return bool((await self._get("/"))["name"] == "chat-page-bridge")
        except (BridgeError, KeyError, TypeError):
            return False

    async def unready(self) -> str | None:
        """Return why the bridge can take no chat now, or None."""
        reason: str | None = (await self._get(READINESS)).get("reason")
        return reason

    async def models(self) -> list[str]:
        """Return the names of the listed models; without an account there are none."""
        return [model["id"] for model in (await self._get("/v1/models"))["data"]]

    async def check_model(self, name: str) -> None:
        """Raise the bridge's error if it has no model of that name."""
        await self._get(f"/v1/models/{name}")

    async def stream(self, model: str, messages: Messages) -> AsyncGenerator[Piece]:
        """Send one chat and yield the answer as it arrives; raise `BridgeError` if it is incomplete."""
        body = {"model": model, "messages": messages, "stream": True}
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_LIMIT)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=limits) as session,
                session.post(f"{self.url}/v1/chat/completions", json=body, ssl=self._trust) as response,
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
                session.request(method, self.url + path, data=data, ssl=self._trust) as response,
            ):
                if response.status >= HTTPStatus.BAD_REQUEST and path != READINESS:
                    raise _refusal(response.status, await response.text())
                return await response.json()
        except (*Failures, ValueError) as error:
            raise _no_answer(self.url, error) from error

    async def _events(self, path: str) -> AsyncGenerator[bytes]:
        """Yield the bytes of an endless response; raise an error after `SILENCE_LIMIT` without data."""
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_LIMIT, sock_read=SILENCE_LIMIT)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=limits) as session,
                session.get(self.url + path, ssl=self._trust) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise _refusal(response.status, await response.text())
                async for data in response.content.iter_any():
                    yield data
        except Failures as error:
            raise _no_answer(self.url, error) from error


def client_of(config: Path, server: ServerSettings, url: str | None, key: str | None) -> Client:
    """Return a client of the bridge at `url`, by default of the settings' bridge with its key."""
    return Client(*way_to(config, server, url, key))


def way_to(
    config: Path, server: ServerSettings, url: str | None, key: str | None
) -> tuple[str, str, ssl.SSLContext | bool]:
    """Return the URL, the key, both from the settings unless given, and the certificates to trust."""
    url = url or reachable(server)
    is_here = is_loopback(urlsplit(url).hostname or "") or url == reachable(server)
    return url, key or _local_key(config, is_here=is_here), trust_here(server) if is_here else True


def trust_here(server: ServerSettings) -> ssl.SSLContext | bool:
    """Return a context that trusts only the bridge's own certificate, for this machine's address."""
    if server.tls_certificate is None:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # trusts the certificate itself, by any issuer
    try:
        context.load_verify_locations(server.tls_certificate)
    except OSError as error:
        raise SetupError(
            f"Cannot read the certificate {server.tls_certificate} of server.tls_certificate: {error.strerror}."
        ) from error
    return context


def _no_answer(url: str, error: Exception) -> SetupError:
    if isinstance(error, aiohttp.ClientSSLError):
        return SetupError(
            f"The certificate at {url} is not trusted: {error}. A bridge of this machine has to show the one in"
            " server.tls_certificate; it reads that file again at SIGHUP."
        )
    return SetupError(f"No bridge answers at {url}; `bridge serve` starts one.")


def _local_key(config: Path, *, is_here: bool) -> str:
    """Return this machine's admin key, or for another machine a chat key: the admin key never leaves this one."""
    files = [KeyFile(config, "admin_key")] if is_here else []
    found = (file.keys()[0] for file in (*files, KeyFile(config)) if file.path.exists())
    return next(found, "")


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    """Yield the pieces of the stream and read it to its end, as only then the bridge has recorded the chat."""
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


def reachable(server: ServerSettings) -> str:
    """Return the URL at which this machine reaches a bridge with these settings."""
    return _from_here("http" if server.tls_certificate is None else "https", server.host, server.port)


def from_here(url: str) -> str:
    """Return a URL of the bridge as this machine reaches it, even if it listens on all interfaces."""
    place = urlsplit(url)
    return _from_here(place.scheme, place.hostname or "", place.port or 0)


def named(url: str, server: ServerSettings) -> str:
    """Return a URL of the bridge for clients: with https by a name of `server.allowed_hosts`, as in certificates."""
    place = urlsplit(from_here(url))
    name = next(iter(server.allowed_hosts), "")
    if place.scheme != "https" or not name:
        return from_here(url)
    return f"https://{name}" if ":" in name else f"https://{name}:{place.port}"


def _from_here(scheme: str, host: str, port: int) -> str:
    return url_of(scheme, EVERYWHERE.get(host, host), port)


def is_free(host: str, port: int) -> bool:
    """Tell whether a bridge can listen at an address now."""
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
