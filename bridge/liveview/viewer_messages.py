"""The messages that a viewer may send, as bounded models; errors never quote a message, which may hold a password."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridge.chat.viewer_channel import ViewerRefused

LONGEST_TEXT = 100_000
"""Most characters of one paste."""
MOST_FILES = 10

Modifiers = Annotated[int, Field(ge=0, le=15)]
"""Bit mask of modifier keys as in the DevTools protocol: 1 Alt, 2 Control, 4 Meta, 8 Shift."""
Place = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Id = Annotated[str, Field(max_length=40)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)


class Window(_Message):
    """The size of the view on the viewer's screen, in pixels; no frames are sent while it is not `visible`."""

    type: Literal["window"]
    width: Annotated[int, Field(ge=1, le=10_000)]
    height: Annotated[int, Field(ge=1, le=10_000)]
    visible: bool = True


class Drawn(_Message):
    """The viewer has drawn a frame, and can take a newer one."""

    type: Literal["drawn"]
    frame: Annotated[int, Field(ge=0)]


class Take(_Message):
    """The viewer takes the controls; with `force` also from another viewer."""

    type: Literal["take"]
    force: bool = False


class Leave(_Message):
    """The viewer releases the controls."""

    type: Literal["leave"]


class Mouse(_Message):
    """A mouse move, or the press or release of a button; `x` and `y` are CSS pixels of the page."""

    type: Literal["mouse"]
    kind: Literal["move", "down", "up"]
    x: Place
    y: Place
    button: Literal["none", "left", "middle", "right", "back", "forward"] = "none"
    buttons: Annotated[int, Field(ge=0, le=31)] = 0
    clicks: Annotated[int, Field(ge=0, le=3)] = 0
    mods: Modifiers = 0


class Wheel(_Message):
    """A turn of the mouse wheel by `dx` and `dy` CSS pixels."""

    type: Literal["wheel"]
    x: Place
    y: Place
    dx: Place
    dy: Place
    mods: Modifiers = 0


class KeyPress(_Message):
    """A key event; the fields are those of a browser's `KeyboardEvent`."""

    type: Literal["key"]
    kind: Literal["down", "up"]
    key: Annotated[str, Field(min_length=1, max_length=32)]
    code: Annotated[str, Field(max_length=32)] = ""
    mods: Modifiers = 0
    repeat: bool = False
    location: Annotated[int, Field(ge=0, le=3)] = 0


class Typed(_Message):
    """Text to insert at once: a paste, or the finished composition of an input method."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]


class Composing(_Message):
    """The unfinished text of an input method."""

    type: Literal["compose"]
    text: Annotated[str, Field(max_length=1000)]


class Copy(_Message):
    """A request for the selected text; `cut` also deletes it in the page."""

    type: Literal["copy"]
    cut: bool = False


class Choose(_Message):
    """The choice in a native control: indexes of options, or a value."""

    type: Literal["choose"]
    id: Id
    options: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=5000)] | None = None
    value: Annotated[str, Field(max_length=2000)] | None = None


class Answer(_Message):
    """The answer to a dialog of the page; without `accept` also the cancelling of a file chooser."""

    type: Literal["answer"]
    id: Id
    accept: bool
    text: Annotated[str, Field(max_length=10_000)] = ""


class File(_Message):
    """A file to upload; its bytes follow as binary messages."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    size: Annotated[int, Field(ge=0)]
    mime: Annotated[str, Field(max_length=100)] = ""


class Upload(_Message):
    """The files for a file chooser; their bytes follow in the same order."""

    type: Literal["upload"]
    id: Id
    files: Annotated[list[File], Field(min_length=1, max_length=MOST_FILES)]


class Go(_Message):
    """A navigation of the page."""

    type: Literal["go"]
    where: Literal["back", "forward", "reload", "address"]
    address: Annotated[str, Field(max_length=2000)] = ""


class SelectTab(_Message):
    """A request to show a tab, or to close it."""

    type: Literal["tab"]
    id: Id
    close: bool = False


Message = Annotated[
    Window
    | Drawn
    | Take
    | Leave
    | Mouse
    | Wheel
    | KeyPress
    | Typed
    | Composing
    | Copy
    | Choose
    | Answer
    | Upload
    | Go
    | SelectTab,
    Field(discriminator="type"),
]
_FORM: TypeAdapter[Message] = TypeAdapter(Message)


def parse(text: str) -> Message:
    """Return the message; raise `ViewerRefused` that names the field and what is wrong with it."""
    try:
        return _FORM.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    raise ViewerRefused(f"{'.'.join(map(str, first['loc']))[:60] or 'The message'}: {first['type']}")
