"""A script sets the site's answer to one prompt, in place of the model's own.

It is queued for an account, or is part of the prompt as `[[demo {"text": "Hello"}]]`. The scripts in its `then` answer
the next prompts of the same conversation, whatever they are, so one prompt can script a whole conversation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

_OPENING = "[[demo "
_CLOSING = "]]"


@dataclass(frozen=True, slots=True)
class Script:
    """One answer; the site chooses everything that is left out."""

    text: str | None = None  # exactly this answer
    thinking: str | None = None  # exactly this thinking, if thinking is switched on
    calls: tuple[Mapping[str, Any], ...] | None = None  # calls after the text, in the model's own dialect
    seed: int | None = None  # for the spelling of the calls; without it the prompt is the seed
    tokens: int | None = None  # this many made-up tokens as the answer
    echo: bool = False  # answer with the prompt as received
    files: bool = False  # answer with the name, size and SHA-256 of each file of the prompt, as JSON
    stamp: bool = False  # made-up tokens hold their number and the time they were sent
    markdown: bool = False  # made-up tokens are Markdown: headings, lists, and much code
    token_size: int = 4  # characters in a token of a text
    rate: float | None = None  # tokens a second; 0 is as fast as possible
    first_byte: float = 0.0  # seconds before the response begins
    results: tuple[Mapping[str, Any], ...] | None = None  # pages found, if search is switched on
    citations: str = ""  # "citation" or "reference": cite every result at the end of the text
    title: str | None = None  # the title of a new conversation
    cut: int | None = None  # seed for cutting the response's bytes at random places
    fault: str = ""  # one of FAULTS, for this turn only
    params: Mapping[str, Any] = field(default_factory=dict)  # parameters of the fault
    then: tuple[Script, ...] = ()  # the answers to the next prompts of this conversation

    @classmethod
    def from_json(cls, document: Any) -> Script:
        """Return the script in a document, or raise a ValueError that names the fault in it."""
        if not isinstance(document, dict):
            raise ValueError("a script is a JSON object")
        unknown = set(document) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"a script has no {', '.join(sorted(unknown))}")
        for name in ("results", "calls"):
            if isinstance(document.get(name), list):
                document = {**document, name: tuple(document[name])}
        if not isinstance(document.get("then", []), list):
            raise ValueError("a script's then is a list of scripts")
        return cls(**{**document, "then": tuple(map(cls.from_json, document.get("then", [])))})

    @classmethod
    def from_prompt(cls, prompt: str) -> Script | None:
        """Return the script of a prompt's last valid directive, if there is one."""
        at = prompt.rfind(_OPENING)
        while at >= 0:
            script = cls._read_directive(prompt, at + len(_OPENING))
            if script is not None:
                return script
            at = prompt.rfind(_OPENING, 0, at)
        return None

    @classmethod
    def _read_directive(cls, prompt: str, start: int) -> Script | None:
        try:
            document, end = json.JSONDecoder().raw_decode(prompt, start)
            return cls.from_json(document) if prompt.startswith(_CLOSING, end) else None
        except ValueError:
            return None
