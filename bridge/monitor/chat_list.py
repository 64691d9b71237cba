"""The chats for the dashboard: waiting, running and ended ones, without their texts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain

from bridge.telemetry import ChatEnded, ChatProgress, ChatQueued, ChatStarted, Step

MOST_RECENT = 500
"""Most ended chats of this start that are remembered."""
MOST_OPEN = 2000
"""Most chats that wait or run, more than any real queue; bounds the list if facts get lost."""


@dataclass(slots=True)
class OpenChat:
    """A chat that waits or runs."""

    id: str
    model: str
    since: datetime
    account: str = ""
    step: Step = "waiting"
    tokens: int = 0
    marks: Mapping[str, float] = field(default_factory=dict)
    key: str = ""
    """Display name of the key that the chat came with."""


@dataclass(frozen=True, slots=True)
class EndedChat:
    """A chat that has ended."""

    fact: ChatEnded
    at: datetime
    until: datetime | None = None
    """When a chat of an earlier start is dropped from the list; None for one of this start."""
    kept: Mapping[str, bool] | None = None
    """Which files of a chat of an earlier start can be downloaded; None for one of this start."""


class Chats:
    """The chats of this bridge, followed by their facts."""

    def __init__(self) -> None:
        self._open: dict[str, OpenChat] = {}
        self._recent: deque[EndedChat] = deque(maxlen=MOST_RECENT)
        self._earlier: Sequence[EndedChat] = ()
        self._day = date.min
        self._today = 0

    @property
    def waiting(self) -> list[OpenChat]:
        """Return the chats without an account yet, the oldest first."""
        return [chat for chat in self._open.values() if not chat.account]

    @property
    def running(self) -> list[OpenChat]:
        """Return the chats with an account, the oldest first."""
        return [chat for chat in self._open.values() if chat.account]

    @property
    def today(self) -> int:
        """Return how many chats have ended today, in this machine's time zone."""
        return self._today if self._day == _today() else 0

    def recent(self) -> Iterator[EndedChat]:
        """Yield the ended chats, the newest first."""
        now = datetime.now(UTC)
        earlier = (chat for chat in self._earlier if chat.until is None or chat.until > now)
        return chain(reversed(self._recent), earlier)

    def ended(self, id: str) -> EndedChat | None:  # noqa: A002
        """Return the chat of that id, if it has ended and is still remembered."""
        return next((chat for chat in self.recent() if chat.fact.chat == id), None)

    def remember(self, earlier: Sequence[EndedChat]) -> None:
        """Add the chats of earlier starts, given the newest first."""
        own = {chat.fact.chat for chat in self._recent}
        self._earlier = [chat for chat in earlier if chat.fact.chat not in own]

    def queued(self, fact: ChatQueued) -> None:
        """Add a new chat."""
        self._open[fact.chat] = OpenChat(fact.chat, fact.model, datetime.now(UTC), key=fact.key)
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]

    def started(self, fact: ChatStarted) -> None:
        """Note which account has the chat."""
        if (chat := self._open.get(fact.chat)) is not None:
            chat.account, chat.step = fact.account, "sending"

    def progressed(self, fact: ChatProgress) -> None:
        """Note the progress of the chat."""
        if (chat := self._open.get(fact.chat)) is not None:
            chat.step, chat.tokens, chat.marks = fact.step, fact.tokens, fact.marks

    def end(self, fact: ChatEnded) -> EndedChat:
        """Move the chat to the ended ones."""
        self._open.pop(fact.chat, None)
        ended = EndedChat(fact, datetime.now(UTC))
        self._recent.append(ended)
        self._today, self._day = self.today + 1, _today()
        return ended


def _today() -> date:
    return datetime.now().astimezone().date()
