"""Chooses among all clickable elements those that send, stop, and begin a new chat; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge.sites.learning.moved_button_rules import NEAR
from bridge.sites.learning.observation import Element
from bridge.sites.learning.page_watch import Look
from bridge.sites.learning.selectors import differing, selectors

SEND = re.compile(r"send|submit|发送|提交|paper-?plane|arrow-?up\b|enviar|envoyer|senden|送信", re.IGNORECASE)
STOP = re.compile(r"stop|停止|cancel|abort|interrupt|anhalten|detener|arr[êe]ter|中止", re.IGNORECASE)
NEW_CHAT = re.compile(
    r"new[ _-]?(chat|conversation|thread|session|topic)|start over|clear[ _-]?(chat|conversation|history)"
    r"|新(建|的|开|開)?(对话|對話|会话|會話|聊天)|neuer chat",
    re.IGNORECASE,
)
CLOSE = re.compile(
    r"close|dismiss|\bok(ay)?\b|got it|continue|confirm|accept|agree|\byes\b|skip|later|是的|确[定认]|关闭|知道了|同意"
    r"|跳过|schlie",
    re.IGNORECASE,
)
COSTLY = re.compile(
    r"delete|log ?(in|out)|sign ?(in|up|out)|pay|buy|subscri|upgrade|删除|登录|注册|购买|升级", re.IGNORECASE
)
OTHER = re.compile(
    r"attach|upload|file|voice|mic|record|image|tool|model|search|share|login|sign|delete|close|menu", re.IGNORECASE
)
BEFORE, TYPED, BUSY, AFTER = "before", "typed", "answering", "after"
"""The phases of a turn."""
UNSURE = "unsure"
"""The phase in which a person may have sent the prompt already, or not yet."""
MOST_STOPS = 24


def names(element: Element) -> str:
    """Return all names and texts of an element."""
    return " ".join((element.id, element.text, element.drawing, *element.classes, *element.attributes.values()))


def send_buttons(looks: Sequence[Look]) -> list[Look]:
    """Return what may send the typed prompt, the likeliest first: only what is named so, or was enabled by the text."""
    ready = [look for look in looks if TYPED in look.phases and not look.is_disabled and look.distance <= NEAR]
    enabled = {look.number for look in ready if BEFORE not in look.phases}
    named = [look for look in ready if SEND.search(names(look.element))]
    others = [look for look in ready if look.number in enabled and not OTHER.search(names(look.element))]
    ranked = sorted(named, key=lambda look: (look.number not in enabled, _size(look), look.distance))
    return list({look.number: look for look in (*ranked, *sorted(others, key=lambda look: look.distance))}.values())[:4]


def _size(look: Look) -> bool:
    """Sort real buttons before the elements around them."""
    return not (look.element.tag in ("button", "input") or look.element.attributes.get("role") == "button")


def stop_selectors(looks: Sequence[Look], turn: int) -> list[str]:
    """Return selectors of what was there in a turn only while the site answered; another turn must confirm them."""
    seen = [(look, look.turns.get(turn, frozenset()) - {UNSURE}) for look in looks]
    only = [look for look, phases in seen if phases == {BUSY} and not look.is_disabled]
    usual = {look.number: look for look, phases in seen if phases != {BUSY}}
    ranked = sorted(only, key=lambda look: (not STOP.search(names(look.element)), _size(look), look.distance))
    found = [one for look in ranked[:8] for one in _of_stop(look, usual.get(look.number))]
    return list(dict.fromkeys(found))[:MOST_STOPS]


def _of_stop(look: Look, usual: Look | None) -> Iterator[str]:
    own = selectors(look.element)
    if usual is None:
        yield from own[:6]
        return
    bases = [one for one in selectors(usual.element) if one in own][:2] or [look.element.tag]
    yield from (base + more for more in differing(look.element, usual.element)[:3] for base in bases)


def closes(element: Element) -> bool:
    """Tell whether the name of a dialog's element says that it only closes the dialog."""
    return CLOSE.search(names(element)) is not None and not COSTLY.search(names(element))


def new_chat_buttons(looks: Sequence[Look]) -> list[Look]:
    """Return what may begin a new chat, by its name."""
    found = {look.number: look for look in looks if NEW_CHAT.search(names(look.element)) and not look.is_disabled}
    return sorted(found.values(), key=lambda look: len(names(look.element)))[:4]


def message_selectors(chains: Sequence[Sequence[Element]]) -> list[str]:
    """Return selectors that may match every message of a kind: of answers first, then of prompts."""
    found: list[str] = []
    for chain in reversed(chains):
        for element in chain[:5]:
            plain = Element(element.tag, "", element.classes, element.attributes)
            found += [one for one in selectors(plain) if not one.startswith("#") and "aria-label" not in one][:3]
    return list(dict.fromkeys(found))[:30]
