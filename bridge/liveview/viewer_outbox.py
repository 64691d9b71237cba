"""What waits to be sent to one viewer: the newest frame, the newest state, and a few messages.

At most `UNSEEN` frames are on their way. The next one goes out once the viewer has drawn one of them, and is then the
newest, so a slow viewer sees fewer frames and never old ones. Nothing here grows with a slow connection.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from typing import Any

from bridge.chat.viewer_channel import ViewerMoved, ViewerRefused
from bridge.liveview.screencast import Frame

UNSEEN = 2
"""Frames that are sent and not drawn yet: one on the way while the viewer draws the other."""
MOST_MESSAGES = 50
"""Messages that wait; the oldest one gives way."""
HEAD = struct.Struct(">IHH")
"""The header of each JPEG: the number of the frame, and the page's width and height in CSS pixels; big-endian."""


class Outbox:
    """Filled by the view, emptied by the connection."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._state: str | None = None
        self._messages: deque[str] = deque(maxlen=MOST_MESSAGES)
        self._sent = self._drawn = 0
        self._end: ViewerRefused | ViewerMoved | None = None
        self._more = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Tell whether a new frame would go out at once."""
        return self._sent - self._drawn < UNSEEN

    def show(self, frame: Frame) -> None:
        """Send a frame, in place of an older one that is not sent yet."""
        self._frame = frame
        self._more.set()

    def tell(self, kind: str, /, **more: Any) -> None:
        """Send a message."""
        self._messages.append(json.dumps({"type": kind, **more}))
        self._more.set()

    def state(self, state: dict[str, Any]) -> None:
        """Send the view's state, in place of an older one that is not sent yet."""
        self._state = json.dumps({"type": "state", **state})
        self._more.set()

    def drawn(self, number: int) -> None:
        """Note that the viewer has drawn the frame of that number."""
        # a hostile number may neither run ahead of what was sent nor go back
        self._drawn = max(self._drawn, min(number, self._sent))
        self._more.set()

    def end(self, why: ViewerRefused | ViewerMoved) -> None:
        """Close the connection once everything else is sent."""
        self._end = why
        self._more.set()

    async def next(self) -> bytes | str:
        """Return what to send next; see `ViewerChannel.next`."""
        while (found := self._take()) is None:
            if self._end is not None:
                raise self._end
            self._more.clear()
            await self._more.wait()
        return found

    def _take(self) -> bytes | str | None:
        # the state first: it says who holds the controls, which decides how the viewer reads the rest
        if self._state is not None:
            state, self._state = self._state, None
            return state
        if self._messages:
            return self._messages.popleft()
        if self._frame is not None and self.has_room:
            frame, self._frame = self._frame, None
            self._sent += 1
            return HEAD.pack(self._sent, frame.width, frame.height) + frame.jpeg
        return None
