"""The record of what keys used: sums, summing up of old rows, bounds, and what it becomes as CSV."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.durations import DAY, HOUR, MINUTE
from bridge.errors import RequestError, StorageError
from bridge.storage.usage_file import FINE, ChatUsage, UsageFile, as_csv, groups_of
from bridge.storage.usage_record import UsageRecord

NOON = 20_000 * DAY + 12 * HOUR


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def used(at: float, key: str = "k", model: str = "deepseek", account: str = "alice", tokens: int = 10) -> ChatUsage:
    return ChatUsage(at, key, f"name of {key}", model, account, tokens, tokens, is_failed=account == "bob")


def rows_in(path: Path) -> int:
    with sqlite3.connect(path) as database:
        (count,) = database.execute("SELECT COUNT(*) FROM usage").fetchone()
    database.close()
    return int(count)


def test_chats_are_summed_by_key_model_account_and_time(tmp_path: Path) -> None:
    file = UsageFile(tmp_path / "usage.sqlite", 400, Clock())
    for one in (used(NOON), used(NOON + 1), used(NOON - DAY, "other", "reasoner", "bob", 70)):
        file.add(one)
    (other, first) = file.totals(0, ["key"])
    assert (other["key"], other["name"], other["chats"], other["failed"]) == ("other", "name of other", 1, 1)
    assert (first["chats"], first["prompt_tokens"], first["completion_tokens"], first["tokens"]) == (2, 20, 20, 40)
    assert [(row["day"], row["model"], row["chats"]) for row in file.totals(0, ["day", "model"])] == [
        ("2024-10-03", "reasoner", 1),
        ("2024-10-04", "deepseek", 2),
    ]
    assert [row["hour"] for row in file.totals(NOON, ["hour"])] == ["2024-10-04T12:00Z"]
    file.close()


def test_the_minutes_of_old_hours_become_one_row_with_the_same_sums(tmp_path: Path) -> None:
    path, clock = tmp_path / "usage.sqlite", Clock()
    file = UsageFile(path, 400, clock)
    for minute in range(120):
        file.add(used(NOON + minute * MINUTE))
    before = file.totals(0, ["hour", "key", "model", "account"])
    assert rows_in(path) == 120
    clock.now = NOON + FINE + 4 * HOUR
    file.add(used(clock.now, "new"))
    assert rows_in(path) == 3
    assert file.totals(0, ["hour", "key", "model", "account"])[:2] == before
    clock.now += 2 * HOUR
    file.add(used(clock.now, "new"))
    assert file.totals(0, ["hour", "key", "model", "account"])[:2] == before, "summed up twice"
    file.close()


def test_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    path, clock = tmp_path / "usage.sqlite", Clock()
    file = UsageFile(path, 3, clock)
    file.add(used(NOON))
    file.close()
    clock.now += 4 * DAY
    assert file.totals(0, ["key"]) == []
    file.close()


def test_each_key_has_its_minutes_of_the_last_day(tmp_path: Path) -> None:
    file = UsageFile(tmp_path / "usage.sqlite", 400, Clock())
    for one in (used(NOON), used(NOON + 59, account="bob"), used(NOON + 60), used(NOON - 2 * DAY)):
        file.add(one)
    assert file.by_minute(NOON - DAY) == [(NOON, "k", 2, 40), (NOON + 60, "k", 1, 20)]
    file.close()


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="newer version"):
        UsageFile(path, 400).totals(0, ["key"])


async def test_a_file_that_is_none_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    path.write_bytes(b"no database at all" * 100)
    record = UsageRecord(path, 400)
    with pytest.raises(StorageError, match=r"usage\.sqlite: .* Remove it to start over"):
        await record.last_day()
    await record.close()


def test_no_cell_of_the_csv_file_is_a_formula() -> None:
    row = {"key": "k", "name": "=1+1", "chats": 1, "failed": 0, "prompt_tokens": 2, "completion_tokens": 3, "tokens": 5}
    head, line, _ = as_csv([row], ["key"]).split("\r\n")
    assert head == "key,name,chats,failed,prompt_tokens,completion_tokens,tokens"
    assert line == "k,'=1+1,1,0,2,3,5"


def test_groups_keep_their_order_and_unknown_ones_are_refused() -> None:
    assert groups_of("model, key,model") == ("model", "key")
    for text in ("", "key,colour", "key; DROP TABLE usage"):
        with pytest.raises(RequestError, match="key, model, account, day, hour"):
            groups_of(text)
