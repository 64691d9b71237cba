"""Files of conversations that are closed at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bridge.settings import ConversationSettings
from bridge.storage.conversation_file import ConversationFile

OpenFile = Callable[..., ConversationFile]
"""Opens the test's file of conversations; takes values of `ConversationSettings`."""


def conversation_file(folder: Path, **settings: float | str) -> ConversationFile:
    """Open the file of conversations of a test, which closes it itself."""
    return ConversationFile(folder / "conversations.db", ConversationSettings.model_validate(settings))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenFile]:
    """Open the file of conversations of the test, as often as it likes."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(closing(conversation_file(tmp_path, **settings)))
