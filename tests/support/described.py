"""The route table of a bridge that accepts userTokens, without its dashboard, for tests of the descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.request_body import BodyReader
from bridge.api.route_table import Operation
from bridge.api.routes import ChatParts, route_table
from bridge.settings import Settings, TokenSettings
from bridge.storage.file_store import FileStore
from tests.support.fake_backend import FakeBackend


def described() -> Sequence[Operation]:
    """Return the table, without opening anything."""
    settings = Settings(tokens=TokenSettings(enabled=True))
    files = StoredFiles(FileStore(settings.folders.files, settings.files))
    return route_table(ChatParts(FakeBackend(), settings, files, BodyReader(settings.server, settings.tokens)))
