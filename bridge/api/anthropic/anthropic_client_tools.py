"""The tools that Anthropic's clients run without describing them, because Anthropic's models know them.

Only those with text results are included: a model here could not see the screen of a computer.
"""

from __future__ import annotations

from typing import Any

from bridge.tool_calls.notation import Tool

TEXT, LINE = {"type": "string"}, {"type": "integer", "minimum": 0}
RANGE = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
FILES = {"path": TEXT, "view_range": RANGE, "file_text": TEXT, "old_str": TEXT, "new_str": TEXT, "insert_line": LINE}
"""The arguments of the commands on files."""
COMMANDS = (
    "`view` takes `view_range`: first and last line, -1 being the end. `create` takes `file_text`. `str_replace`"
    " puts `new_str` in the place of `old_str`, which must be in the file exactly once. `insert` puts `{inserted}`"
    " behind the line `insert_line`, 0 being the beginning."
)
BASH = "Runs a command in a shell that stays open; `restart` alone begins a new shell."
EDITOR = "Shows and changes text files; `view` lists a directory, too. "
MEMORY = (
    "Your memory between conversations: files below /memories. View that directory before you begin, and keep there"
    " what you will need later. `delete` takes `path`; `rename` takes `old_path` and `new_path`. "
)
NEWER = "20250728"
"""The version since which the editor has `insert_text` and no `undo_edit`."""


def client_tool(kind: str, name: str) -> Tool | None:
    """Return the tool of a type that the client does not describe; None for unknown types."""
    family, _, version = kind.rpartition("_")
    match family:
        case "bash":
            return Tool(name, BASH, _schema({"command": TEXT, "restart": {"type": "boolean"}}))
        case "text_editor":
            return _editor(name, is_newer=version >= NEWER)
        case "memory":
            commands = ("view", "create", "str_replace", "insert", "delete", "rename")
            more = {"insert_text": TEXT, "old_path": TEXT, "new_path": TEXT}
            return Tool(name, MEMORY + _commands("insert_text"), _schema({**_command(*commands), **FILES, **more}))
    return None


def _editor(name: str, *, is_newer: bool) -> Tool:
    inserted, more = ("insert_text", ()) if is_newer else ("new_str", ("undo_edit",))
    fields = {**_command("view", "create", "str_replace", "insert", *more), **FILES, inserted: TEXT}
    return Tool(name, EDITOR + _commands(inserted), _schema(fields, "command", "path"))


def _command(*names: str) -> dict[str, Any]:
    return {"command": {"type": "string", "enum": list(names)}}


def _commands(inserted: str) -> str:
    return COMMANDS.replace("{inserted}", inserted)


def _schema(fields: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}
