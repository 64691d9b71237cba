"""A script says what the site shall answer to one prompt, in place of its own words.

It is queued for an account, or stands in the prompt itself as `[[demo {"text": "Hello"}]]`. What it has in `then`
answers the next prompts of the same conversation, whatever they are, so that one prompt can tell a whole talk.
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
    """Describe one answer; what is left out is the site's own choice."""

    text: str | None = None  # exactly this answer
    thinking: str | None = None  # exactly this thinking, where thinking is switched on
    calls: tuple[Mapping[str, Any], ...] | None = None  # behind the text, calls in the model's own dialect
    seed: int | None = None  # chooses the spelling of the calls; without it the prompt does
    tokens: int | None = None  # this many made-up tokens as the answer
    echo: bool = False  # the prompt as it was received, as the answer
    files: bool = False  # name, size and SHA-256 of each file that came with the prompt, as JSON, as the answer
    stamp: bool = False  # made-up tokens tell their number and the time they were sent
    markdown: bool = False  # made-up tokens are Markdown: headings, lists, and much code
    token_size: int = 4  # characters in a token of a text
    rate: float | None = None  # tokens a second; 0 is as fast as possible
    first_byte: float = 0.0  # seconds before the response begins
    results: tuple[Mapping[str, Any], ...] | None = None  # pages found, where search is switched on
    citations: str = ""  # "citation" or "reference": cite every result at the end of the text
    title: str | None = None  # the title of a new conversation
    cut: int | None = None  # seed: cut the bytes of the response at random places
    fault: str = ""  # one of FAULTS, for this turn only
    params: Mapping[str, Any] = field(default_factory=dict)  # parameters of the fault
    then: tuple[Script, ...] = ()  # the answers to the next prompts of this conversation

    @classmethod
    def from_json(cls, document: Any) -> Script:
        """Read a script, or raise ValueError that says what is wrong with it."""
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
        """Read the last directive of a prompt, if there is one that can be read."""
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
