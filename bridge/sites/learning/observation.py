"""What was seen of chats on a page nobody has described yet: its network, its elements, its address; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.browser.page_messages import SOCKET
from bridge.sites.site_file.page_schema import Menu


class Chunk(NamedTuple):
    """Bytes that came or went at a time, in seconds; of a WebSocket it is one message, whole."""

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
    """One prompt and all that happened from when it was typed until the page was quiet again."""

    prompt: str = field(repr=False)
    began: float
    calls: tuple[SeenCall, ...]
    visible: str = field(default="", repr=False)
    """The text that appeared in the page as the answer: without its markup, and perhaps with names of buttons."""
    wanted: str = field(default="", repr=False)
    """What the model was asked to repeat."""
    url_before: str = ""
    url_after: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """What can be said of an element in a selector, its own and its ancestors', nearest first."""

    tag: str
    id: str = ""
    classes: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    drawing: str = ""
    """What its picture is known by: the beginning of a path, the address of a symbol, the name of an icon."""
    above: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """A visible element that can be clicked, and what decides whether it may be taken for a control that has moved."""

    element: Element
    number: int = 0
    """Tells the elements of a document apart."""
    labels: tuple[str, ...] = ()
    """What it is called by: its text, its accessible names, its descriptions."""
    link: str = ""
    """Where a click on it leads."""
    distance: int = 0
    """Pixels from the text box."""
    is_on: bool = True
    """Whether it is not disabled."""
    is_beside: bool = False
    """Whether it is in the form and the dialog of the text box, and no other text box is as near to it."""
    is_plain: bool = True
    """Whether it opens no menu, and neither holds other controls, nor is part of one, nor lies below something."""


@dataclass(frozen=True, slots=True)
class Control:
    """A visible element that may be a switch or open a menu, and how it stands."""

    button: Button
    standing: Mapping[str, str] = field(default_factory=dict)
    """What its attributes, or the tick of a checkbox, say of its state."""
    popup: str = ""
    """What it opens, by `aria-haspopup`."""
    radios: int = 0
    """How many entries to choose from it shows at all times."""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of a menu that is open."""

    element: Element
    number: int
    name: str
    """Its text, on one line."""
    standing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenSwitch:
    """A switch of the page that was turned once, and the turn whose prompt was sent while it stood the other way."""

    name: str
    selectors: tuple[str, ...]
    attribute: str
    """What shows how it stands: an attribute, or `checked` for the tick of a checkbox."""
    on: str
    """Value of the attribute where it is on."""
    was_on: bool
    """How it stood when the page was opened."""
    turn: SeenTurn
    open: tuple[str, ...] = ()
    """What opens the menu in which it stands."""
    close: str = ""
    """How that menu is closed."""


@dataclass(frozen=True, slots=True)
class SeenMenu:
    """The page's choice of a model, and for each entry that was tried the turn that was sent with it."""

    menu: Menu
    names: tuple[str, ...]
    """What all of its entries are called."""
    tried: Mapping[str, SeenTurn]
    """The entries that were tried, by name."""
    is_shown: bool
    """Whether what opens it shows the name of the chosen entry."""


@dataclass(frozen=True, slots=True)
class SeenControls:
    """The switches and the choice of a model that were tried, and why others were not."""

    switches: tuple[SeenSwitch, ...] = ()
    after: SeenTurn | None = None
    """A turn that was sent when all switches stood as at first again."""
    menu: SeenMenu | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why one was not learned, by the name of its table."""
