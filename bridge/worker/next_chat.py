"""Predicts the next chat of an account, so that its idle page can be prepared for it."""

from __future__ import annotations

from bridge.sites.contract import Turn

PATTERN = 2
"""Consecutive new conversations after which the next chat is expected to start one, too."""


class NextChat:
    """The prediction: a new conversation if the last chats were such, with the switches of the last one."""

    def __init__(self) -> None:
        self.expected = Turn("")
        """The turn without its prompt."""
        self.is_prepared = False
        """Whether the page shows an empty chat for the next turn."""
        self._begun = 0  # number of the latest chats in a row that started a conversation

    def sent(self, turn: Turn) -> None:
        """Update the prediction from a turn that was sent."""
        self._begun = self._begun + 1 if turn.conversation is None else 0
        self.expected = Turn("", turn.thinking, turn.search, model=turn.model)

    @property
    def wants_preparation(self) -> bool:
        """Tell whether the next chat will probably start a conversation, and the page shows no empty one yet."""
        return self._begun >= PATTERN and not self.is_prepared
