"""A bridge in every state at once, as its admin API describes it, for the dashboard's pictures and tests."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
MARKS = {"queued": 0.0, "started": 0.4, "sent": 1.3, "first_byte": 2.1, "first_token": 2.6, "end": 9.8}


def at(**ago: float) -> str:
    """Return the time that many seconds ago; a negative number is in the future."""
    return (NOW - timedelta(**ago)).isoformat(timespec="seconds")


def account(name: str, state: str = "ready", reason: str = "", **more: Any) -> dict[str, Any]:
    """Return an account as the API describes it."""
    return {
        "name": name,
        "site": "deepseek",
        "url": "https://chat.deepseek.com",
        "state": state,
        "reason": reason,
        "until": None,
        "busy": False,
        "paused": False,
        "held": False,
        "chat": None,
        "sends": {"hour": 4, "day": 31, "hour_limit": 20, "day_limit": 150},
        "last_error": None,
        "last_seen": at(seconds=20),
        "page_chats": 12,
        "thumbnail": state not in ("logged_out", "broken", "starting"),
        **more,
    }


def accounts() -> list[dict[str, Any]]:
    """Return one account in each state."""
    chat = {"id": "chatcmpl-7f3a", "model": "deepseek-reasoner", "step": "writing", "tokens": 412}
    thinking = {"id": "chatcmpl-91bc", "model": "deepseek-chat", "step": "thinking", "tokens": 96}
    busy = {"hour": 17, "day": 96, "hour_limit": 20, "day_limit": 150}
    error = {"at": at(minutes=14), "code": "account_muted", "message": "The site has muted the account until 18:40."}
    crash = {"at": at(minutes=2), "code": "browser_error", "message": "The page has crashed three times in a row."}
    return [
        account("alice", busy=True, chat={**chat, "started": at(seconds=21)}, sends=busy),
        account("bob", busy=True, chat={**thinking, "started": at(seconds=6)}),
        account("carol"),
        account("dave", "muted", "Sent too many messages", until=at(hours=-2, minutes=-7), last_error=error),
        account("erin", "challenged", "The page shows “Verify you are human”", until=at(minutes=-8)),
        account("frank", "logged_out", "The site shows its sign-in page", last_seen=at(hours=5)),
        account("grace", "resting", "Messages too frequent", until=at(seconds=-64)),
        account("heidi", "broken", crash["message"], until=at(seconds=-28), last_error=crash, last_seen=at(minutes=2)),
        account("ivan", paused=True, sends={"hour": 0, "day": 3, "hour_limit": None, "day_limit": None}),
        account("judy", held=True),
        account("mallory", "starting", last_seen=None, sends=busy | {"hour": 20}),
    ]


def ended(number: int) -> dict[str, Any]:
    """Return one of the recent chats; the newest has number 0."""
    results = ("stop", "stop", "stop", "length", "account_muted", "stop", "cancelled", "site_timeout", "tool_calls")
    result = results[number % len(results)]
    stretch = 0.6 + (number * 7 % 11) / 6
    marks = {name: round(when * stretch, 3) for name, when in MARKS.items()}
    if result in ("account_muted", "site_timeout"):
        marks = {name: marks[name] for name in ("queued", "started", "sent", "end")}
    return {
        "id": f"chatcmpl-{4096 - number:04x}",
        "model": ("deepseek-chat", "deepseek-reasoner", "deepseek-chat-search")[number % 3],
        "account": ("alice", "bob", "carol", "dave")[number % 4],
        "result": result,
        "reason": MARKUP if result == "account_muted" else "",
        "at": at(minutes=number * 3 + 1),
        "marks": marks,
        "prompt_chars": 1200 + number * 311 % 9000,
        "answer_chars": 3400 + number * 173 % 5000,
        "tokens": 900 + number * 97 % 1500,
        "trace": result != "stop",
        "bundle": result == "site_timeout",
        "record": number == 0,
    }


def line(number: int) -> dict[str, Any]:
    """Return one line of the log."""
    texts = (
        ("INFO", "Chat chatcmpl-0ff3 ended with stop after 9.8 s on alice"),
        ("INFO", "alice is ready"),
        ("DEBUG", "The site rotated a part of alice's login; the profile is written back"),
        ("WARNING", "dave is muted until 18:40 UTC: Sent too many messages"),
        ("ERROR", "heidi is broken: The page has crashed three times in a row."),
        ("INFO", f"The page's title is {MARKUP}"),
    )
    level, text = texts[number % len(texts)]
    return {"at": at(seconds=2 * (500 - number)), "level": level, "text": text}


def state() -> dict[str, Any]:
    """Return all sections."""
    running = [
        {"id": one["chat"]["id"], "model": one["chat"]["model"], "account": one["name"], "step": one["chat"]["step"]}
        | {"tokens": one["chat"]["tokens"], "since": one["chat"]["started"], "marks": {"started": 0.3, "sent": 1.1}}
        for one in accounts()
        if one["chat"]
    ]
    return {
        "bridge": {"version": "0.9.0", "started": at(hours=26), "url": "http://127.0.0.1:8000", "ready": True}
        | {"reason": None, "draining": False, "chats_today": 214, "history": True, "live": True},
        "browser": {"state": "running", "version": "141.0.7390.37", "sandbox": True, "started": at(hours=26)}
        | {"lost": [], "memory_mb": 1184, "cpu_percent": 14.2},
        "accounts": accounts(),
        "queue": [
            {"id": "chatcmpl-aa01", "model": "deepseek-chat", "key": "laptop", "since": at(seconds=3), "position": 1}
        ],
        "running": running,
        "recent": [ended(number) for number in range(40)],
        "drift": [{"site": "deepseek", "shape": f"fragment type {MARKUP}", "count": 3, "at": at(hours=2)}],
        "keys": KEYS,
        "doctor": DOCTOR,
        "log": [line(number) for number in range(200)],
    }


def node(name: str, **more: Any) -> dict[str, Any]:
    """Return a node of a cluster as the API describes it."""
    return {
        "name": name,
        "address": f"http://{name}.bridge.internal:8100",
        "version": "0.9.0",
        "accounts": 4,
        "capacity": 12,
        "ready": 3,
        "busy": 1,
        "waiting": 0,
        "leaving": None,
        "clock_ahead": 0.0,
        "own": False,
        **more,
    }


def cluster() -> dict[str, Any]:
    """Return all sections of a bridge that is a node of a cluster."""
    nodes = [
        node("berlin", own=True),
        node("paris", leaving="draining", accounts=1, ready=1),
        node("rome", waiting=1, clock_ahead=-3600.4),
    ]
    names, whole = [one["name"] for one in nodes], state()
    placed = [{**one, "node": names[index % len(names)]} for index, one in enumerate(accounts())]
    return {
        **whole,
        "accounts": placed,
        "running": [{**one, "node": names[index]} for index, one in enumerate(whole["running"])],
        "queue": [{**one, "node": "rome"} for one in whole["queue"]],
        "recent": [{**one, "node": names[index % 2]} for index, one in enumerate(whole["recent"][:9])],
        "cluster": {
            "node": "berlin",
            "nodes": sorted(nodes, key=lambda one: str(one["name"])),
            "unplaced": ["oscar"],
            "missing": ["rome"],
        },
    }


def short() -> dict[str, Any]:
    """Return all sections, with one chat of each result and a few lines of each kind in the log."""
    return state() | {"recent": [ended(number) for number in range(9)], "log": [line(number) for number in range(12)]}


def empty() -> dict[str, Any]:
    """Return the sections of a bridge that has just been installed."""
    bridge = state()["bridge"] | {"ready": False, "reason": "There is no account yet.", "chats_today": 0}
    nothing = dict.fromkeys(("accounts", "queue", "running", "recent", "drift", "log", "keys"), ())
    return {"bridge": bridge, "browser": state()["browser"], "doctor": None, **nothing}


def crowd(number: int = 100) -> dict[str, Any]:
    """Return the sections of a bridge with many accounts and a long log."""
    some = accounts()
    many = [{**some[index % len(some)], "name": f"account-{index:03}"} for index in range(number)]
    return {**state(), "accounts": many, "log": [line(number) for number in range(-500, 500)]}


def metrics() -> dict[str, Any]:
    """Return a day of figures."""
    start = NOW.timestamp() // 60 * 60 - 1440 * 60
    day = [math.sin(index / 1440 * 2 * math.pi - 2) for index in range(1440)]
    wave = [math.sin(index / 7) * math.sin(index / 31) for index in range(1440)]

    def curve(base: float, swing: float, noise: float) -> list[float | None]:
        return [
            None if 300 < index < 360 else max(0.0, round(base + swing * day[index] + noise * wave[index], 3))
            for index in range(1440)
        ]

    chats = [max(0, round(2 + 2 * day[index] + wave[index] * 2)) for index in range(1440)]
    return {
        "step": 60,
        "times": [start + index * 60 for index in range(1440)],
        "series": {
            "waiting": curve(0.8, 0.6, 0.5),
            "first_token": curve(2.4, 0.7, 0.9),
            "tokens_per_second": curve(41, -8, 9),
            "chats": {
                "stop": chats,
                "site_timeout": [1 if index % 97 == 0 else 0 for index in range(1440)],
                "account_muted": [1 if index % 211 == 0 else 0 for index in range(1440)],
            },
            "browser_mb": curve(1100, 160, 60),
            "process_mb": curve(142, 12, 3),
            "browser_cpu": curve(16, 11, 9),
            "process_cpu": curve(4, 3, 2),
        },
    }


LIMITS = {"requests_per_minute": 10, "tokens_per_day": 200_000, "parallel": 2, "models": ["deepseek-chat"], "share": 2}
KEYS = [
    {"id": "k1", "name": "laptop", "scope": "chat", "created": at(days=9), "hint": "sk-bridge-…4fQz", "plain": False},
    {
        "id": "k2",
        "name": "open-webui",
        "scope": "chat",
        "created": at(days=3),
        "hint": "sk-bridge-…90aL",
        "limits": LIMITS,
        "used": {"requests_per_minute": 4, "tokens_per_day": 61_280},
        "plain": False,
    },
    {
        "id": "k4",
        "name": "workshop",
        "scope": "chat",
        "created": at(days=40),
        "hint": "sk-bridge-…m3Ke",
        "limits": {"expires": at(days=2)},
        "expired": True,
        "plain": False,
    },
    {"id": "k3", "name": "operator", "scope": "admin", "created": at(days=31), "hint": "sk-bridge-…Xx7t"},
]
USAGE = [
    {
        "key": key,
        "name": name,
        "model": model,
        "account": account,
        "day": day,
        "chats": chats,
        "failed": failed,
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "tokens": prompt + answer,
    }
    for key, name, model, account, day, chats, failed, prompt, answer in (
        ("k2", "open-webui", "deepseek-chat", "alice", "2026-11-24", 412, 3, 188_204, 301_772),
        ("k1", "laptop", "deepseek-reasoner", "bob", "2026-11-25", 96, 0, 51_930, 120_006),
        ("", "", "deepseek", "", "2026-11-26", 7, 7, 0, 0),
    )
]
DOCTOR = {
    "at": at(minutes=3),
    "checks": [
        {"name": "Chromium", "ok": True, "text": "141.0.7390.37, found by Playwright", "advice": ""},
        {"name": "Sandbox", "ok": True, "text": "in use", "advice": ""},
        {"name": "Fonts", "ok": None, "text": "no font for emoji", "advice": "Install fonts-noto-color-emoji."},
        {"name": "Profiles", "ok": False, "text": "frank.age was made with another key", "advice": "Log in again."},
    ],
    "site": [
        {
            "account": "alice",
            "at": at(minutes=2),
            "checks": [
                {
                    "name": "page of alice",
                    "ok": True,
                    "text": "signed in; found composer by placeholder",
                    "advice": None,
                },
                {"name": "stream of alice", "ok": False, "text": f"No script names {MARKUP}", "advice": None},
            ],
        },
        {
            "account": "bob",
            "at": at(minutes=2),
            "checks": [{"name": "page of bob", "ok": None, "text": "bob is busy with a chat", "advice": None}],
        },
    ],
    "checking": ["carol"],
}
SETTINGS = [
    {"name": name, "variable": f"BRIDGE_{name.upper().replace('.', '_')}", "value": value, "source": source}
    | {"description": description}
    for name, value, source, description in (
        ("server.host", "127.0.0.1", "default", "address to listen on"),
        ("server.port", 8000, "default", "port to listen on"),
        ("pool.turns_per_hour", 20, "file", "chats that an account may send in an hour"),
        ("pool.turns_per_day", 150, "file", "chats that an account may send in a day"),
        ("browser.shell", True, "environment", "use the headless shell, which takes less memory"),
        ("dashboard.history", True, "command line", "keep the texts of chats, encrypted and for some days"),
        ("log.level", "INFO", "default", "lowest level written"),
    )
]
SITES = [{"name": "deepseek", "title": "DeepSeek", "url": "https://chat.deepseek.com"}]
