"""The records of chats on a page without a site file: its network, its elements, its address; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.browser.page_messages import SOCKET
from bridge.sites.site_file.page_schema import Menu


class Chunk(NamedTuple):
    """Bytes received or sent at a time, in seconds; on a WebSocket, one whole message."""

    time: float
    data: bytes


@dataclass(frozen=True, slots=True)
class SeenCall:
    """One of the page's own requests with its response, or a WebSocket with its messages both ways."""

    number: int
    time: float
    method: str
    url: str
    body: bytes = field(default=b"", repr=False)
    status: int = 200
    content_type: str = ""
    chunks: tuple[Chunk, ...] = field(default=(), repr=False)
    sent: tuple[Chunk, ...] = field(default=(), repr=False)
    """Messages that the page sent over a WebSocket."""
    is_over: bool = True

    @property
    def is_socket(self) -> bool:
        """Tell whether it is a WebSocket."""
        return self.method == SOCKET


@dataclass(frozen=True, slots=True)
class SeenTurn:
    """One prompt and all that happened from its typing until the page was quiet again."""

    prompt: str = field(repr=False)
    began: float
    calls: tuple[SeenCall, ...]
    visible: str = field(default="", repr=False)
    """The text that appeared in the page as the answer: without markup, and perhaps with names of buttons."""
    wanted: str = field(default="", repr=False)
    """The text that the model was asked to repeat."""
    url_before: str = ""
    url_after: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """The features of an element, and of its ancestors, nearest first, from which selectors are made."""

    tag: str
    id: str = ""
    classes: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    drawing: str = ""
    """What identifies its icon: the beginning of a path, the address of a symbol, or a name."""
    above: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """A visible clickable element, with the features that decide whether it is a moved control."""

    element: Element
    number: int = 0
    """Identifies the element in its document."""
    labels: tuple[str, ...] = ()
    """Its text, accessible names and descriptions."""
    link: str = ""
    """The address to which a click on it leads."""
    distance: int = 0
    """Pixels from the text box."""
    is_on: bool = True
    """Whether it is not disabled."""
    is_beside: bool = False
    """Whether it is in the form and the dialog of the text box, and no other text box is as near."""
    is_plain: bool = True
    """Whether it opens no menu, contains no controls, is not part of one, and is not covered."""


@dataclass(frozen=True, slots=True)
class Control:
    """A visible element that may be a switch or open a menu, and its state."""

    button: Button
    state: Mapping[str, str] = field(default_factory=dict)
    """The attributes that may show its state; `checked` for a checkbox."""
    popup: str = ""
    """Its `aria-haspopup`."""
    radios: int = 0
    """The number of radio buttons that it always shows."""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of an open menu."""

    element: Element
    number: int
    name: str
    """Its text, on one line."""
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenSwitch:
    """A switch of the page that was changed once, and the turn that was sent while it was changed."""

    name: str
    selectors: tuple[str, ...]
    attribute: str
    """What shows its state: an attribute, or `checked` for a checkbox."""
    on: str
    """The value of the attribute while it is on."""
    was_on: bool
    """Whether it was on when the page was opened."""
    turn: SeenTurn
    open: tuple[str, ...] = ()
    """Selectors of what opens the menu that contains it."""
    close: str = ""
    """How that menu is closed."""


@dataclass(frozen=True, slots=True)
class SeenMenu:
    """The page's choice of a model, with the turn that was sent for each entry tried."""

    menu: Menu
    names: tuple[str, ...]
    """The names of all entries."""
    tried: Mapping[str, SeenTurn]
    """The turns of the entries that were tried, by name."""
    is_shown: bool
    """Whether its trigger shows the name of the chosen entry."""


@dataclass(frozen=True, slots=True)
class SeenControls:
    """The switches and the choice of a model that were tried, and why others were not."""

    switches: tuple[SeenSwitch, ...] = ()
    after: SeenTurn | None = None
    """A turn that was sent after all switches were changed back."""
    menu: SeenMenu | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why a control was not learned, by the name of its table."""
