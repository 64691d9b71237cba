"""What waits to be sent to one viewer: the newest picture, the newest state, and a few messages.

At most `UNSEEN` pictures are on their way: the next one goes out when one of them was drawn, and is then the newest
that there is. So a slow viewer sees fewer pictures and never old ones.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from typing import Any

from bridge.liveview.interface import ViewerRefused
from bridge.liveview.screencast import Picture

UNSEEN = 2
MOST_MESSAGES = 50
HEAD = struct.Struct(">IHH")
"""What stands before each JPEG: its number, and the page's width and height in CSS pixels."""


class Outbox:
    """Filled by the view, emptied by the connection."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._state: str | None = None
        self._messages: deque[str] = deque(maxlen=MOST_MESSAGES)
        self._sent = self._drawn = 0
        self._end: str | None = None
        self._more = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Tell whether a new picture would go out at once."""
        return self._sent - self._drawn < UNSEEN

    def show(self, picture: Picture) -> None:
        """Send a picture, in place of an older one that is not sent yet."""
        self._picture = picture
        self._more.set()

    def tell(self, kind: str, /, **more: Any) -> None:
        """Send a message."""
        self._messages.append(json.dumps({"type": kind, **more}))
        self._more.set()

    def state(self, state: dict[str, Any]) -> None:
        """Send how the view stands, in place of what was not sent yet."""
        self._state = json.dumps({"type": "state", **state})
        self._more.set()

    def drawn(self, frame: int) -> None:
        """Note that the viewer has drawn a picture."""
        self._drawn = max(self._drawn, min(frame, self._sent))
        self._more.set()

    def end(self, reason: str) -> None:
        """Have the connection closed once everything else is sent."""
        self._end = reason
        self._more.set()

    async def next(self) -> bytes | str:
        """Return what to send next; see `Viewer.next`."""
        while (found := self._take()) is None:
            if self._end is not None:
                raise ViewerRefused(self._end)
            self._more.clear()
            await self._more.wait()
        return found

    def _take(self) -> bytes | str | None:
        if self._state is not None:
            state, self._state = self._state, None
            return state
        if self._messages:
            return self._messages.popleft()
        if self._picture is not None and self.has_room:
            picture, self._picture = self._picture, None
            self._sent += 1
            return HEAD.pack(self._sent, picture.width, picture.height) + picture.jpeg
        return None
