"""Maps the short messages that the page shows beside the chat to errors; no I/O.

Only messages that appeared after the prompt was typed count, and only while the page has not sent it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.errors import BridgeError, ContextTooLong, HumanNeeded, LoginRequired, Muted, RateLimited, SiteBusy
from bridge.sites.http_refusals import overload, quote

TOO_LONG = re.compile(r"超长|过长|长度上限|too long|shorten|exceeds the limit|length limit", re.IGNORECASE)
TOO_OFTEN = re.compile(r"频繁|too (frequent|often|many)", re.IGNORECASE)
BUSY = re.compile(r"繁忙|\bbusy\b", re.IGNORECASE)
GENERATING = re.compile(r"正在生成|(being|still) generat", re.IGNORECASE)


def news(shown: Sequence[str], before: Sequence[str]) -> list[str]:
    """Return the messages of `shown` that are not in `before`."""
    return list((Counter(shown) - Counter(before)).elements())


def refusal(notices: Sequence[str], *, also_unknown: bool = False) -> BridgeError | None:
    """Return the error that the page's messages mean for an unsent prompt; with `also_unknown` for any message."""
    for text in notices:
        said = f"The page did not send the prompt, and says: {quote(text)}"
        if TOO_LONG.search(text):
            return ContextTooLong(said, param="messages")
        if TOO_OFTEN.search(text):
            return RateLimited(said)
        if BUSY.search(text) or GENERATING.search(text):
            return SiteBusy(said)
    if notices and also_unknown:
        return SiteBusy(f"The page did not send the prompt, and says: {quote('; '.join(notices))}")
    return None


def is_generating(notices: Sequence[str]) -> bool:
    """Tell whether a message says that the site is still generating another answer."""
    return any(GENERATING.search(text) for text in notices)


def obstacle(state: Mapping[str, Any]) -> BridgeError:
    """Return the error for what the page shows in place of the chat."""
    match state["is"]:
        case "muted":
            until = datetime.fromtimestamp(state["until"], UTC) if state["until"] else None
            return Muted(f"The site has muted the account: {quote(state['text'])}", until=until)
        case "refused" if error := overload(state["status"]):
            return error
        case "challenged":
            return HumanNeeded("The site asks for a human before it shows the chat.")
        case _:
            return LoginRequired("The account is signed out; run `bridge login` for it.")
