"""The log: a sink of telemetry, for a terminal or as JSON lines; it never contains values of variables."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, assert_never

from loguru import logger

from bridge.printable import as_json_line, as_text
from bridge.telemetry import (
    AccountHeld,
    AccountRenamed,
    BrowserLost,
    BrowserReplaced,
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChatQueued,
    ChatStarted,
    ConversationDeleted,
    DriftSeen,
    Fact,
    PageRenewed,
    PageShown,
    ProfileSaved,
    RequestAnswered,
    WorkerChanged,
    WorkerState,
)
from bridge.throttle import Throttle

if TYPE_CHECKING:
    from loguru import Message, Record

    from bridge.settings import LogSettings

HUMAN = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[shown]}\n"
REPEATS = (5, 60.0)
"""How many times a library's entry may repeat at once, and the seconds until it may repeat again."""
NOT_OURS = (
    "browser.hosts and browser.page_memory do not apply there, and browser.sandbox and browser.args only if it is a "
    "Playwright server with --unsafe"
)
GOES_ON = "\n    "
"""Indents the continuation lines of an entry, so that no text in it can imitate another entry."""
CALM = (WorkerState.STARTING, WorkerState.READY, WorkerState.ASLEEP, WorkerState.CLOSED)


def set_up(settings: LogSettings, node: str = "") -> None:
    """Send the log to standard error in the format of the settings; JSON lines name the node, if it has one."""
    logger.remove()
    logger.configure(extra={"node": node} if node else {})
    logging.basicConfig(handlers=[_Forwarding()], level=logging.WARNING, force=True)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # it quotes malformed requests, including keys
    # diagnose=True would write the values of local variables, cookies among them, into the log
    wanted = at_level(settings)
    if settings.json_lines:
        logger.add(_write_json, level=0, filter=wanted, diagnose=False, backtrace=False)
    else:
        logger.add(sys.stderr, level=0, filter=wanted, format=_human, diagnose=False, backtrace=False)


def at_level(settings: LogSettings) -> Callable[[Record], bool]:
    """Return a filter by the level of the settings, which may change while the bridge runs."""
    return lambda record: record["level"].no >= logger.level(settings.level).no


class _Forwarding(logging.Handler):
    """A handler that forwards the log of libraries, and limits repeated entries."""

    def __init__(self) -> None:
        super().__init__()
        self._entries = Throttle(*REPEATS)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one entry."""
        if self._entries.take((record.name, record.getMessage()[:80])):
            return
        logger.opt(exception=record.exc_info).log(record.levelname, "{}", record.getMessage())


def log_fact(fact: Fact) -> None:  # noqa: C901 - one case for each fact
    """Write one fact as one line; the JSON format also has its fields."""
    match fact:
        case ChatQueued():
            _write("DEBUG", fact, f"chat {fact.chat} queued for {fact.model}, {fact.waiting} waiting")
        case ChatStarted():
            _write("DEBUG", fact, f"account {fact.account} answers chat {fact.chat}")
        case ChatEnded():
            _write("INFO", fact, _chat_line(fact))
        case ChatProgress() | RequestAnswered():
            pass  # only for viewers and metrics
        case WorkerChanged():
            level = "INFO" if fact.state in CALM else "WARNING"
            until = f" until {fact.until:%Y-%m-%d %H:%M:%S %Z}" if fact.until else ""
            _write(level, fact, f"account {fact.account} is {fact.state}{until}{_because(fact.reason)}")
        case AccountRenamed():
            _write("INFO", fact, f"account {fact.before} was renamed to {fact.account}")
        case AccountHeld():
            how = "held by a person, and takes no chats" if fact.is_held else "no longer held by a person"
            _write("INFO", fact, f"account {fact.account} is {how}")
        case PageShown():
            _write("DEBUG", fact, f"the page of {fact.account} was {'opened' if fact.is_open else 'closed'}")
        case PageRenewed():
            _write("INFO", fact, f"account {fact.account} has a new page")
        case BrowserStarted(sandbox=None):
            _write("WARNING", fact, f"connected to Chromium {fact.version} at {fact.executable}: {NOT_OURS}")
        case BrowserStarted():
            level, how = ("INFO", "in its sandbox") if fact.sandbox else ("WARNING", "WITHOUT its sandbox")
            _write(level, fact, f"Chromium {fact.version} runs {how} ({fact.executable})")
        case BrowserReplaced():
            _write("INFO", fact, f"a new browser takes over: {fact.reason}")
        case BrowserLost():
            _write("ERROR", fact, f"the browser is lost: {fact.reason}")
        case DriftSeen():
            _write("WARNING", fact, f"{fact.site} is not as its driver expects, {fact.count} times: {fact.shape}")
        case ProfileSaved():
            _write("INFO", fact, f"saved the renewed login of the profile {fact.account}")
        case ConversationDeleted():
            _write(
                "INFO", fact, f"account {fact.account}: deleted the unused conversation {fact.conversation} on the site"
            )
        case _:
            assert_never(fact)


def _chat_line(fact: ChatEnded) -> str:
    steps = " ".join(f"{step}={seconds:.3f}s" for step, seconds in fact.marks.items())
    return f"chat {fact.chat} {fact.model} on {fact.account or '-'}: {fact.result} {steps}{_because(fact.reason)}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _write(level: str, fact: Fact, line: str) -> None:
    fields = {name: getattr(fact, name) for name in fact.__slots__}
    logger.bind(fact=type(fact).__name__, **fields).log(level, "{}", line)


def _human(record: Record) -> str:
    """Return the format of an entry, with its text made harmless for a terminal."""
    text = record["message"]
    if (caught := record["exception"]) is not None:
        text += "\n" + "".join(traceback.format_exception(caught.type, caught.value, caught.traceback)).rstrip("\n")
    record["extra"]["shown"] = GOES_ON.join(as_text(text).split("\n"))
    return HUMAN


def _write_json(message: Message) -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **record["extra"],
    }
    if record["exception"] is not None:
        line["exception"] = str(record["exception"].type)
    sys.stderr.write(as_json_line(json.dumps(line, default=str, ensure_ascii=False)) + "\n")
