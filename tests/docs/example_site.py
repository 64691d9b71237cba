"""A driver and a decoder for a chat site that answers in plain text; `echo_site.py` is that site."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Model, Opened, Text
from bridge.errors import LoginRequired, RateLimited, SiteError
from bridge.sites.contract import ConversationGone, Decoder, SiteDriver, Turn

COMPOSER, STOP, SIGN_IN = "textarea", "button#stop", "a#sign-in"


class Driver(SiteDriver):
    """Works the page as a person does."""

    title = "Echo"
    start_url = "https://echo.example.com"
    answer_paths = ("/api/chat",)
    models: ClassVar[tuple[Model, ...]] = (Model("echo"),)
    min_interval = 3.0

    async def ready(self) -> None:
        """Wait for the composer, or for the link to sign in."""
        await self.page.wait_for_selector(f"{COMPOSER}, {SIGN_IN}")
        if await self.page.locator(SIGN_IN).count():
            raise LoginRequired("The account is signed out; run `bridge login` for it.")

    async def open(self, turn: Turn) -> None:
        """Load an empty chat, or the conversation."""
        path = "" if turn.conversation is None else f"/c/{turn.conversation}"
        response = await self.page.goto(f"{self.url}{path}")
        if turn.conversation and response is not None and response.status == 404:
            raise ConversationGone
        await self.ready()

    async def submit(self, turn: Turn) -> bool:
        """Fill the composer and press Enter, unless the page has taken the prompt already."""
        if await self.page.locator(STOP).count():
            return True
        await self.page.fill(COMPOSER, turn.prompt)
        await self.page.press(COMPOSER, "Enter")
        return False

    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Compare what the page wants to send with what it was asked to."""
        body = _body(request)
        reasons = []
        if body.get("prompt") != turn.prompt:
            reasons.append("the prompt is another one")
        if turn.conversation not in (None, body.get("conversation")):
            reasons.append("it goes to another conversation")
        return reasons

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the conversation's id, which the page makes."""
        conversation = _body(request).get("conversation")
        return conversation if isinstance(conversation, str) else None

    async def stop(self) -> None:
        """Click the stop button, which is there while the site generates."""
        await self.page.click(STOP)

    def decoder(self) -> Decoder:
        """Return a decoder for one turn."""
        return EchoDecoder()

    @classmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a decoder for recorded streams."""
        return EchoDecoder()


class EchoDecoder(Decoder):
    """Plain text with a status line and the message's number in a header."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._opened: list[ChatEvent] = []

    def begin(self, response: PageResponse) -> None:
        """Judge the status; the first event is given with the first bytes."""
        if response.status == 429:
            raise RateLimited("The site says that messages come too often.")
        if response.status != 200:
            raise SiteError(f"The site refused the chat (HTTP {response.status}).")
        self._opened = [Opened(message=response.headers.get("x-message"))]

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Return the text that the bytes complete; they may be cut inside of a character."""
        return self._events(self._text.decode(data))

    def end(self) -> Sequence[ChatEvent]:
        """Return the last events; `Finish` says that the answer is whole."""
        return [*self._events(self._text.decode(b"", final=True)), Finish()]

    def _events(self, text: str) -> list[ChatEvent]:
        opened, self._opened = self._opened, []
        return [*opened, Text(text)] if text else opened


def _body(request: PageRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
