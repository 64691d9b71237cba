"""The queue of what is sent to one viewer: the newest frame, the newest state, and a few messages.

At most `UNSEEN` frames are in flight. The next frame is sent once the viewer has drawn one of them, and is then the
newest, so a slow viewer sees fewer frames and never old ones. Memory does not grow with a slow connection.
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
"""Most frames that are sent but not drawn yet: one in flight while the viewer draws the other."""
MOST_MESSAGES = 50
"""Most messages that wait; a further one replaces the oldest."""
HEAD = struct.Struct(">IHH")
"""Header of each JPEG, big-endian: the number of the frame, and the page's width and height in CSS pixels."""


class Outbox:
    """A queue that the view fills and the connection empties."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._state: str | None = None
        self._messages: deque[str] = deque(maxlen=MOST_MESSAGES)
        self._sent = self._drawn = 0
        self._end: ViewerRefused | ViewerMoved | None = None
        self._more = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Tell whether a new frame would be sent at once."""
        return self._sent - self._drawn < UNSEEN

    def show(self, frame: Frame) -> None:
        """Queue a frame in place of an older one that is not sent yet."""
        self._frame = frame
        self._more.set()

    def send(self, kind: str, /, **more: Any) -> None:
        """Queue a message."""
        self._messages.append(json.dumps({"type": kind, **more}))
        self._more.set()

    def state(self, state: dict[str, Any]) -> None:
        """Queue the view's state in place of an older one that is not sent yet."""
        self._state = json.dumps({"type": "state", **state})
        self._more.set()

    def drawn(self, number: int) -> None:
        """Note that the viewer has drawn the frame of that number."""
        # a hostile viewer can neither acknowledge frames that were not sent nor take an acknowledgement back
        self._drawn = max(self._drawn, min(number, self._sent))
        self._more.set()

    def end(self, why: ViewerRefused | ViewerMoved) -> None:
        """End the connection once everything else is sent."""
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
        # the state first: it names the holder of the controls, which decides how the viewer reads the rest
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
