"""Finds what distinguishes a signed-in page from a signed-out one; of stored values it reads only the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridge.sites.learning.observation import Element
from bridge.sites.learning.page_findings import LoginSigns
from bridge.sites.learning.selectors import is_stable

LOGIN_NAME = re.compile(r"token|session|sess|auth|user|jwt|login|account|sid$|uid$|identity|passport", re.IGNORECASE)
LIKELY = re.compile(r"token|auth|jwt", re.IGNORECASE)
LONGEST_NAME = 40
NOT_LOGIN = re.compile(r"csrf|xsrf|theme|lang|locale|device|track|analytic|_ga|webid|guest", re.IGNORECASE)
SIGN_IN = re.compile(
    r"^\W*(sign ?in|log ?in|sign ?up|登录|登錄|登入|注册|anmelden|connexion|se connecter|iniciar sesi[oó]n)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PageState:
    """What a page shows and stores before any action."""

    url: str
    has_box: bool
    has_password: bool
    clickable: tuple[Element, ...]
    stored: frozenset[str]
    """Keys of localStorage."""
    cookies: frozenset[str]


def login_signs(mine: PageState, signed_out: PageState, box: str = "") -> LoginSigns:
    """Return the signs by which the signed-in page `mine` differs from that of a fresh browser."""
    out: list[dict[str, str]] = []
    if signed_out.has_password and not mine.has_password:
        out.append({"selector": "input[type='password']"})
    if len(path := urlsplit(signed_out.url).path) > 1 and path != urlsplit(mine.url).path:
        out.append({"url": re.escape(path)})
    out += [{"selector": one} for one in _sign_in(signed_out.clickable, mine.clickable)]
    ways_in = [{"selector": box}] if box and mine.has_box and not signed_out.has_box else []
    ways_in += [{"storage": key} for key in _names(mine.stored - signed_out.stored)[:1]]
    ways_in += [{"cookie": name} for name in _names(mine.cookies - signed_out.cookies)[:1]]
    is_open = signed_out.has_box and not out and not ways_in
    return LoginSigns(tuple(ways_in), tuple(out[:3]), is_open)


def _names(found: frozenset[str]) -> list[str]:
    """Return the names that may hold a login, the likeliest first; overlong ones vary by server or visit."""
    fitting = [name for name in found if LOGIN_NAME.search(name) and not NOT_LOGIN.search(name) and name.isprintable()]
    lasting = [name for name in fitting if len(name) < LONGEST_NAME]
    return sorted(lasting, key=lambda name: (not LIKELY.search(name), name))


def _sign_in(signed_out: Sequence[Element], mine: Sequence[Element]) -> list[str]:
    """Return selectors of sign-in buttons that the signed-in page does not have."""
    texts = {element.text for element in mine}
    wanted = (one for one in signed_out if SIGN_IN.match(one.text) and one.text not in texts and len(one.text) < 30)
    return list(dict.fromkeys(_by_name(one) for one in wanted))[:2]


def _by_name(element: Element) -> str:
    classes = "".join(f".{name}" for name in element.classes[:2] if is_stable(name))
    quoted = element.text.replace("\\", "").replace('"', "")
    return f'{element.tag}{classes}:has-text("{quoted}")'
