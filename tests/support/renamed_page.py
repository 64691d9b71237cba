"""A possible later build of MiniMax's page: hashed names, German labels, the text box in another place."""

from __future__ import annotations

from pathlib import Path

import bridge.demo.standins
from bridge.demo.standins import Wire
from bridge.demo.standins.minimax import MiniMax

PAGE = Path(bridge.demo.standins.__file__).parent.parent / "static/standins/minimax.js"
BOX = '<div class="tiptap ProseMirror tiptap-editor" contenteditable="true"></div>'
SEND = '<div id="input-send-icon" class="disabled">↑</div>'
THINKING = '<button type="button" class="thinking-variant" aria-pressed="false">Thinking</button>'
CHANGES = (
    (BOX, '<input type="text" placeholder="Suchen" style="width: 300px">'),
    (THINKING, ""),
    (SEND, f'<div class="_f3v7">{SEND}{THINKING}{BOX}</div>'),
    (THINKING, '<button type="button" class="_c4h8w2zz" aria-pressed="false">Nachdenken</button>'),
    (SEND, '<div id="s7g3k1p9" role="button" class="disabled">↑</div>'),
    ('<div class="new-task">New Task</div>', '<button type="button" class="_t5k2q9w1">Neuer Chat</button>'),
    ('tiptap ProseMirror tiptap-editor"', 'ProseMirror _e8s1m4x7" aria-placeholder="Frag MiniMax etwas"'),
    (".tiptap-editor", "._e8s1m4x7"),
    ("#input-send-icon", "#s7g3k1p9"),
    (".new-task", "._t5k2q9w1"),
    (".thinking-variant", "._c4h8w2zz"),
)  # fmt: skip


def renamed_minimax(folder: Path) -> Wire:
    """Return the stand-in of MiniMax with the later page; write the page's script into `folder`."""
    script = PAGE.read_text("utf-8")
    for old, new in CHANGES:
        assert old in script, old
        script = script.replace(old, new)
    page = folder / "minimax.js"
    page.write_text(script, "utf-8")
    renamed: type[Wire] = type("Renamed", (MiniMax,), {"page": page})
    return renamed()
