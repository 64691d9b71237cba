"""What is kept of responses, and for how long."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bridge.errors import StorageError
from bridge.settings import ResponseSettings
from bridge.storage.profile_key import Identity
from bridge.storage.response_store import VERSION, Document, ResponseStore

IDENTITY = Identity.generate()


def response(number: int, size: int = 10, previous: str | None = None) -> Document:
    return {"response": {"id": f"resp_{number}", "previous_response_id": previous, "text": "x" * size}, "input": []}


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@asynccontextmanager
async def opened(folder: Path, **settings: float) -> AsyncGenerator[ResponseStore]:
    store = ResponseStore(folder / "responses.db", IDENTITY, ResponseSettings.model_validate(settings))
    try:
        yield store
    finally:
        await store.close()


async def test_a_response_outlives_the_bridge_and_no_text_of_it_is_on_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.keep("me", response(1))
    assert b"xxxxxxxxxx" not in everything_in(tmp_path)
    async with opened(tmp_path) as store:
        assert await store.find("me", "resp_1") == response(1)
        assert await store.find("you", "resp_1") is None


async def test_the_oldest_go_where_all_are_too_large_together(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=9_000) as store:
        for number in range(4):
            store.keep("me", response(number, 3_000))
        found = [await store.find("me", f"resp_{number}") for number in range(4)]
    assert [document is not None for document in found] == [False, False, True, True]


async def test_one_that_is_too_old_is_gone_and_one_that_others_go_on_from_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.keep("me", response(1))
        store.keep("me", response(2))
        store.keep("me", response(3))
    with closing(sqlite3.connect(tmp_path / "responses.db", isolation_level=None)) as database:
        database.execute("UPDATE response SET kept = kept - 29.9 * 86400 WHERE id != 'resp_3'")
        database.execute("UPDATE response SET kept = kept - 100 * 86400 WHERE id = 'resp_3'")
    async with opened(tmp_path) as store:
        assert await store.find("me", "resp_3") is None
        store.keep("me", response(4, previous="resp_1"))
        assert [one["response"]["id"] for one in await store.chain("me", "resp_4") or ()] == ["resp_1", "resp_4"]
    with closing(sqlite3.connect(tmp_path / "responses.db", isolation_level=None)) as database:
        kept = dict(database.execute("SELECT id, kept FROM response"))
    assert kept.keys() == {"resp_1", "resp_2", "resp_4"}
    assert kept["resp_1"] > kept["resp_2"] + 29 * 86400


async def test_a_file_of_a_newer_bridge_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "responses.db", isolation_level=None)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    async with opened(tmp_path) as store:
        with pytest.raises(StorageError, match="newer version"):
            await store.find("me", "resp_1")
