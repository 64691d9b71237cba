"""When an open page should be renewed: after so many chats, so much time, or so much growth."""

from __future__ import annotations

from bridge.settings import MEBIBYTE, BrowserSettings
from bridge.worker.page_wear import PageWear

LIMITS = BrowserSettings(page_chats=3, page_hours=2, page_growth=100)
NONE = BrowserSettings(page_chats=3, page_hours=0, page_growth=0)


def test_a_page_is_renewed_after_its_chats_and_before_a_chat_where_it_was_never_idle() -> None:
    wear = PageWear()
    due = []
    for _ in range(6):
        wear.chats += 1
        due.append((wear.is_due(LIMITS), wear.is_overdue(LIMITS)))
    assert due == [(False, False), (False, False), (True, False), (True, False), (True, False), (True, True)]


def test_a_page_is_renewed_when_it_is_old() -> None:
    now = 0.0
    wear = PageWear(lambda: now)
    now = 7199.0
    assert not wear.is_due(LIMITS)
    now = 7200.0
    assert wear.is_due(LIMITS)
    assert not wear.is_due(NONE)


def test_a_page_is_renewed_when_its_memory_has_grown_and_not_because_it_was_large_from_the_start() -> None:
    wear = PageWear()
    wear.note({"usedSize": 500 * MEBIBYTE, "embedderHeapUsedSize": 100 * MEBIBYTE, "totalSize": 10**12})
    assert not wear.is_due(LIMITS)
    wear.note({"usedSize": 590 * MEBIBYTE, "embedderHeapUsedSize": 109 * MEBIBYTE})
    assert not wear.is_due(LIMITS)
    wear.note({"usedSize": 590 * MEBIBYTE, "embedderHeapUsedSize": 100 * MEBIBYTE, "backingStorageSize": 10 * MEBIBYTE})
    assert wear.is_due(LIMITS)
    assert not wear.is_due(NONE)
