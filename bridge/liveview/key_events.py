"""Translates a browser's `KeyboardEvent` into the parameters of Chromium's `Input.dispatchKeyEvent`."""

from __future__ import annotations

from typing import Any

from bridge.liveview.viewer_messages import KeyPress

ALT, CONTROL, META = 1, 2, 4
NUMBERS = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "Shift": 16,
    "Control": 17,
    "Alt": 18,
    "Pause": 19,
    "CapsLock": 20,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "PrintScreen": 44,
    "Insert": 45,
    "Delete": 46,
    "Meta": 91,
    "ContextMenu": 93,
    "NumLock": 144,
    "ScrollLock": 145,
    "AltGraph": 225,
    **{f"F{number}": 111 + number for number in range(1, 25)},
}
"""Windows virtual-key codes by `KeyboardEvent.key`, which pages still read as `keyCode`."""
PLACES = {
    "Semicolon": 186,
    "Equal": 187,
    "Comma": 188,
    "Minus": 189,
    "Period": 190,
    "Slash": 191,
    "Backquote": 192,
    "BracketLeft": 219,
    "Backslash": 220,
    "BracketRight": 221,
    "Quote": 222,
    "NumpadMultiply": 106,
    "NumpadAdd": 107,
    "NumpadSubtract": 109,
    "NumpadDecimal": 110,
    "NumpadDivide": 111,
    **{f"Numpad{number}": 96 + number for number in range(10)},
    **{f"Digit{number}": 48 + number for number in range(10)},
}
COMMANDS = {"a": "selectAll", "z": "undo", "y": "redo"}
"""Editing commands of Control and a letter, which headless Chromium gets from no operating system."""


def event_of(press: KeyPress) -> dict[str, Any]:
    """Return the parameters of `Input.dispatchKeyEvent` for a key event."""
    text = _text(press) if press.kind == "down" else ""
    event: dict[str, Any] = {
        "type": {"down": "keyDown" if text else "rawKeyDown", "up": "keyUp"}[press.kind],
        "modifiers": press.mods,
        "key": press.key,
        "code": press.code,
        "windowsVirtualKeyCode": number_of(press),
        "autoRepeat": press.repeat,
        "location": press.location,
        "isKeypad": press.location == 3,
    }
    if text:
        event |= {"text": text, "unmodifiedText": text}
    if press.kind == "down" and press.mods == CONTROL and (command := COMMANDS.get(press.key.lower())):
        event["commands"] = [command]
    return event


def number_of(press: KeyPress) -> int:
    """Return the `keyCode` of a key."""
    if press.key in NUMBERS:
        return NUMBERS[press.key]
    if press.code in PLACES:
        return PLACES[press.code]
    letter = press.key.upper() if len(press.key) == 1 else ""
    return ord(letter) if letter.isascii() and letter.isalnum() else 0


def _text(press: KeyPress) -> str:
    """Return the text that the key inserts, which may be empty."""
    if press.mods & (ALT | CONTROL | META):
        return ""
    if press.key == "Enter":
        return "\r"
    return press.key if len(press.key) == 1 else ""
