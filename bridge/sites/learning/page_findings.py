"""Derives the page's half of a site file from what was learned on the page; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from bridge.sites.learning.chat_trial import Learned
from bridge.sites.learning.draft import Certainty, Finding
from bridge.sites.learning.ids import Ids

CERTAIN, GUESSED, NEEDED = Certainty.CERTAIN, Certainty.GUESSED, Certainty.NEEDED
MOST = 3


@dataclass(frozen=True, slots=True)
class NewChat:
    """How a new chat begins: `path` is its address; `buttons` begin one if loading the address does not."""

    path: str
    is_empty: bool
    buttons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginSigns:
    """The differences between a signed-in and a signed-out page, as signs of a site file."""

    signed_in: tuple[Mapping[str, str], ...] = ()
    signed_out: tuple[Mapping[str, str], ...] = ()
    is_open: bool = False
    """Whether a signed-out visitor gets the same page with the text box."""


def page_findings(
    name: str,
    title: str,
    url: str,
    learned: Learned,
    new_chat: NewChat,
    login: LoginSigns,
    ids: Ids,
    hosts: Sequence[str],
) -> Iterator[Finding]:
    """Yield all fields except those of `request` and `answer`."""
    origin = "://".join(urlsplit(url)[:2])
    yield Finding("name", name, CERTAIN, "as given, or from the address")
    yield Finding("title", title or name, GUESSED, "from the page's title")
    yield Finding("evidence", f"learned from the page at {origin} on {date.today().isoformat()}")
    yield Finding("start_url", origin)
    if hosts:
        yield Finding("hosts", list(hosts), CERTAIN, "the prompt or its answer goes there")
    yield _new_chat_url(new_chat)
    if ids.conversation_url:
        yield Finding("conversation_url", ids.conversation_url, CERTAIN, "the address after the first answer")
    else:
        yield Finding(
            "conversation_url", None, GUESSED, "the address has no id, so each chat begins a new conversation"
        )
    yield from _login(login)
    yield from _composer(learned, new_chat)
    for selector, closers in dict(learned.dialogs).items():
        yield Finding("dialogs", {"selector": selector, "close": closers}, GUESSED, "it covered the page")


def _new_chat_url(new_chat: NewChat) -> Finding:
    sure = CERTAIN if new_chat.is_empty else GUESSED
    why = "loading it shows no messages" if new_chat.is_empty else "loading it still shows messages"
    return Finding("new_chat_url", new_chat.path or "/", sure, why)


def _login(login: LoginSigns) -> Iterator[Finding]:
    if login.is_open:
        yield Finding(
            "login.guest", value=True, certainty=CERTAIN, why="a fresh browser shows the same page, and may chat"
        )
        return
    yield Finding("login.settle", 1.0, GUESSED, "seconds within which signs of being signed out may appear")
    if login.signed_in:
        yield Finding("login.signed_in", list(login.signed_in), GUESSED, "there now, and not in a fresh browser")
    if login.signed_out:
        yield Finding("login.signed_out", list(login.signed_out), GUESSED, "there in a fresh browser, and not now")
    if not (login.signed_in or login.signed_out):
        yield Finding("login.signed_in", None, NEEDED, "nothing differs between this login and a fresh browser")


def _composer(learned: Learned, new_chat: NewChat) -> Iterator[Finding]:
    if learned.box:
        yield Finding("composer.box", list(learned.box), CERTAIN, "it accepted the prompts")
    else:
        yield Finding("composer.box", ["textarea"], NEEDED, "no lasting selector matches only the text box")
    yield Finding("composer.fill", learned.filling, CERTAIN, "the prompts could be read back from the box")
    send = "enter" if learned.sends_by_enter else "button"
    if learned.sends_by_enter is None:
        yield Finding("composer.send", "enter", GUESSED, "the bridge did not see how the prompt was sent")
    else:
        yield Finding("composer.send", send, CERTAIN, "it sent the prompts")
    if learned.send_button:
        sure = GUESSED if learned.sends_by_enter else CERTAIN
        yield Finding("composer.send_button", _idle(learned), sure, "" if sure is CERTAIN else "by its name")
    if learned.stop_button:
        yield Finding("composer.stop_button", list(learned.stop_button), CERTAIN, "there only while the site answered")
    elif learned.stops:
        yield Finding("composer.stop_button", learned.stops[:MOST], GUESSED, "seen in one of two answers")
    else:
        yield Finding("composer.stop_button", None, NEEDED, "nothing was there only while the site answered")
    if new_chat.buttons:
        yield Finding("composer.new_chat", list(new_chat.buttons), CERTAIN, "a click showed no messages")
    yield _messages(learned)


def _idle(learned: Learned) -> list[str]:
    """Return the selectors of the send button, without those of the same element while it stops the answer."""
    found = []
    for one in learned.send_button:
        states = [
            stop.removeprefix(one) for stop in learned.stop_button if stop.startswith((f"{one}.", f"{one}[", f"{one}:"))
        ]
        found.append(one + "".join(f":not({state})" for state in states))
    return found


def _messages(learned: Learned) -> Finding:
    """Choose selectors with no match in a new chat, and twice as many after the second turn as after the first."""
    gone = {one: counts for one, counts in learned.messages.items() if len(counts) > 1 and counts[-1] == 0 < counts[0]}
    steady = [one for one, counts in gone.items() if len(counts) > 2 and counts[1] == 2 * counts[0]]
    if steady:
        return Finding("composer.messages", steady[:MOST], CERTAIN, "one more with each answer, none in a new chat")
    if gone:
        return Finding("composer.messages", list(gone)[:MOST], GUESSED, "there with an answer, none in a new chat")
    return Finding("composer.messages", None, NEEDED, "no selector matches the messages of a chat and nothing else")
