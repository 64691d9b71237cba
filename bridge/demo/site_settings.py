"""The settings of the demo site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Range = tuple[float, float]
Markup = Literal["classic", "hashed"]
MARKUPS: tuple[Markup, ...] = ("classic", "hashed")


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The settings of one demo site; times are in seconds, lengths in characters."""

    host: str = "127.0.0.1"
    port: int = 0
    accounts: tuple[str, ...] = ("alice", "bob")
    lang: Literal["en", "zh"] = "en"
    markup: Markup = "classic"
    page: Literal["light", "heavy"] = "light"  # heavy: re-renders Markdown at every piece, below a long conversation
    models: tuple[str, ...] = ("default", "expert", "vision")

    settle: Range = (0.2, 1.5)  # the composer ignores Enter this long after each load and new chat
    toggle_settle: Range = (0.0, 0.6)  # a toggle shows its old state this long after a load or click
    toggle_clicks: Literal["at_once", "late", "ignored", "undone"] = "at_once"  # the effect of a click until then
    toggle_kept: bool = True  # whether localStorage holds the toggles under the real page's names
    form_delay: Range = (0.1, 0.4)  # the sign-in form appears this long after the page
    sign_in: Literal["password", "words", "icon", "none"] = (
        "password"  # the form, or what opens the one with a password
    )
    sign_in_asks: bool = False  # whether the form has further fields: a list, a date and a check box
    oauth: bool = False  # whether the site offers sign-in through an identity provider, in a popup
    sign_in_says: Literal["form", "toast"] = "form"  # where a refused sign-in is shown

    device_key: bool = False  # whether a sign-in counts only in its own browser, which keeps a key

    client_version: str = "2.5.0"
    checks: bool = True  # off: any client gets completions, as a baseline for benchmarks
    min_version: str = "2.0.0"
    pow_difficulty: int = 144_000
    pow_ttl: float = 300.0
    hif_ttl: float = 600.0

    rate: float = 50.0  # tokens a second
    heartbeat: float = 5.0  # a comment line after this much silence
    heartbeat_timeout: float = 8.0  # the heartbeat limit that the page is sent
    auto_resume: float = 3.0  # the page asks again this long after the heartbeat timeout

    input_character_limit: int = 2_621_440  # enforced by the page
    prompt_limit: int = 982_000  # enforced by the server, for one message
    conversation_limit: int = 1_000_000  # enforced by the server, for all messages together
    max_file_size: int = 100 << 20  # enforced by the page and the server
    max_files: int = 50  # per prompt; enforced by the page and the server
    file_seconds: float = 0.3  # total time that a file is PENDING, then PARSING
