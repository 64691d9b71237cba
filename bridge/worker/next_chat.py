"""What the next chat of an account will probably be, so that the page can be prepared for it while it is idle."""

from __future__ import annotations

from bridge.sites.contract import Turn

PATTERN = 2
"""After so many new conversations one after the other the next chat is expected to begin one, too."""


class NextChat:
    """Expects what the last chats were: a new conversation, with the switches of the last one."""

    def __init__(self) -> None:
        self.expected = Turn("")
        """The turn without its prompt."""
        self.is_prepared = False
        """Whether the page shows an empty chat for it."""
        self._begun = 0  # so many of the last chats, without a gap, began a conversation

    def sent(self, turn: Turn) -> None:
        """Learn from a turn that was sent."""
        self._begun = self._begun + 1 if turn.conversation is None else 0
        self.expected = Turn("", turn.thinking, turn.search, model=turn.model)

    @property
    def wants_preparation(self) -> bool:
        """Tell whether the next chat will probably begin a conversation, and none is open yet."""
        return self._begun >= PATTERN and not self.is_prepared
