"""Common parts of `TransportSite`'s drivers: the actions on its pages, and a decoder for each transport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Model, Opened, Text
from bridge.errors import LoginRequired, SiteError
from bridge.sites.contract import Decoder, SiteDriver, Turn
from bridge.sse import SSEDecoder

COMPOSER, STOP, SIGN_IN = "textarea", "#stop", "#sign-in"


class PageDriver(SiteDriver):
    """Operates a page of the site; the address names the transport."""

    title = "Transports"
    start_url = "https://transports.example.com"
    models: ClassVar[tuple[Model, ...]] = (Model("transports"),)
    min_interval = 0.0

    async def ready(self) -> None:
        """Wait for the composer, or for the link to sign in."""
        await self.page.wait_for_selector(f"{COMPOSER}, {SIGN_IN}")
        if await self.page.locator(SIGN_IN).count():
            raise LoginRequired("The account is signed out.")

    async def open(self, turn: Turn) -> None:
        """Do nothing: the page has only one chat."""
        await self.ready()

    async def submit(self, turn: Turn) -> bool:
        """Fill the composer and press Enter, unless the page is busy."""
        if await self.page.locator(STOP).is_visible():
            return True
        await self.page.fill(COMPOSER, turn.prompt)
        await self.page.press(COMPOSER, "Enter")
        return False

    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Compare the prompt."""
        return () if document_of(request.body).get("prompt") == turn.prompt else ("the prompt is another one",)

    async def stop(self) -> None:
        """Click the stop button."""
        await self.page.click(STOP)

    async def is_generating(self) -> bool:
        """Tell whether the stop button is shown."""
        return await self.page.locator(STOP).is_visible()

    def decoder(self) -> Decoder:
        """Return a decoder for one turn."""
        return FrameDecoder()

    @classmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a decoder for recorded streams."""
        return FrameDecoder()


class FrameDecoder(Decoder):
    """Reads the frames of the sent turn from any transport."""

    def __init__(self) -> None:
        self._turn = ""
        self._framings: dict[int, Framing] = {}
        self._framing = Framing(PageResponse("", 0))
        self._has_opened = False

    def sent(self, request: PageRequest) -> None:
        """Record the turn's id."""
        self._turn = document_of(request.body)["id"]

    def begin(self, response: PageResponse) -> None:
        """Check the status."""
        if response.status == 401:
            raise LoginRequired("The site says that the account is signed out.")
        self._framings[response.number] = self._framing = Framing(response)

    def select(self, response: PageResponse) -> None:
        """Continue with the framing of another response."""
        self._framing = self._framings[response.number]

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Return the events of the frames that these bytes complete."""
        return self._events(self._framing.feed(data))

    def end(self) -> Sequence[ChatEvent]:
        """Return the events of a body that is complete only at its end."""
        return self._events(self._framing.end())

    def _events(self, payloads: Sequence[bytes]) -> list[ChatEvent]:
        frames = map(document_of, payloads)
        return [event for frame in frames if frame.get("id") == self._turn for event in self._of(frame)]

    def _of(self, frame: dict[str, Any]) -> list[ChatEvent]:
        if "error" in frame:
            raise SiteError(frame["error"])
        opened: list[ChatEvent] = [] if self._has_opened else [Opened()]
        self._has_opened = True
        text: list[ChatEvent] = [Text(frame["text"])] if "text" in frame else []
        return [*opened, *text, *([Finish()] if "done" in frame else [])]


class Framing:
    """Cuts one response into its payloads."""

    def __init__(self, response: PageResponse) -> None:
        self._kind = kind_of(response)
        self._sse = SSEDecoder()
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that these bytes complete."""
        match self._kind:
            case "message":
                return [data]
            case "sse":
                return [event.data.encode() for event in self._sse.feed(data)]
            case "ndjson":
                *lines, self._rest = (self._rest + data).split(b"\n")
                return lines
            case "connect":
                self._rest += data
                return list(self._envelopes())
            case _:
                self._rest += data
                return []

    def end(self) -> list[bytes]:
        """Return the payloads of a body without frames."""
        if self._kind == "poll":
            return self._rest.split(b"\x1e")[1:]
        return [self._rest] if self._kind == "json" else []

    def _envelopes(self) -> Sequence[bytes]:
        found = []
        while len(self._rest) >= 5 and len(self._rest) >= (end := 5 + int.from_bytes(self._rest[1:5])):
            found.append(self._rest[5:end])
            self._rest = self._rest[end:]
        return found


def kind_of(response: PageResponse) -> str:
    """Return the framing of a response by its address; some of the site's responses have no type."""
    if response.is_socket:
        return "message"
    path = response.url.partition("?")[0]
    kinds = {"/chat/ndjson": "ndjson", "/chat/connect": "connect", "/poll": "poll", "/prompt": "json"}
    kinds |= {"/chat/json": "json"}
    return next((kind for end, kind in kinds.items() if path.endswith(end)), "sse")


def document_of(data: bytes) -> dict[str, Any]:
    """Return a JSON object, or an empty one if the text is not an object."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
