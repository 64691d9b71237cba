"""JSON output by prompt: the model is asked for JSON, and the client gets valid JSON or an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bridge.tool_calls.json_repair import Unreadable, finite, loaded, refuse, unfenced
from bridge.tool_calls.notation import canonical
from bridge.tool_calls.schemas.coercion import fitted, misfit

TITLE = "# Form of the answer"
ASKED = f"""\
{TITLE}

Answer with one JSON {{kind}} and nothing else: no explanation, no code block, no comments."""
SCHEMA = "\n\nIt must be valid against this JSON Schema:\n\n{schema}"
VALUES = "\n\nAnswer with exactly one of these values and nothing else, without quotes:\n\n{values}"
AROUND = " \t\r\n\"'`*."
"""Characters that models write around a single word."""
AGAIN = "That was no valid answer: {why}\nWrite it again, corrected, and nothing else."
BEGIN = re.compile(r" {0,3}```[\w-]*[ \t\r]*")
END = re.compile(r" {0,3}```[ \t\r]*")


@dataclass(frozen=True, slots=True)
class JsonForm:
    """The JSON that the client asks for; without a schema, any object."""

    schema: Mapping[str, Any] | None = None

    def instructions(self) -> str:
        """Return the instructions for the model."""
        text = ASKED.replace("{kind}", "object" if self._is_object() else "value")
        return text if self.schema is None else text + SCHEMA.replace("{schema}", canonical(self.schema))

    def read(self, answer: str) -> str:
        """Return the JSON in `answer`; raise `Unreadable` if none fits."""
        why = "There is no JSON in it."
        for candidate in _candidates(answer):
            try:
                return self._checked(candidate)
            except Unreadable as unreadable:
                why = str(unreadable)
        raise Unreadable(why)

    def _checked(self, text: str) -> str:
        value = loaded(text)
        made = value if self.schema is None else fitted(value, self.schema)
        if self._is_object() and not isinstance(made, dict):
            raise Unreadable("It is not a JSON object.")
        if self.schema is not None and (wrong := misfit(made, self.schema)) is not None:
            raise Unreadable(f"It does not fit the schema: {wrong}")
        plain = unfenced(text)
        with suppress(ValueError, RecursionError):
            if made == value == json.loads(plain, parse_constant=refuse, parse_float=finite):
                return plain
        return canonical(made)

    def _is_object(self) -> bool:
        return self.schema is None or self.schema.get("type") == "object"


@dataclass(frozen=True, slots=True)
class OneOf(JsonForm):
    """An answer that is one of given values, as plain text."""

    values: tuple[str, ...] = ()

    def instructions(self) -> str:
        """Return the instructions for the model."""
        return TITLE + VALUES.replace("{values}", "\n".join(self.values))

    def read(self, answer: str) -> str:
        """Return the value in `answer`; raise `Unreadable` if it is none of them."""
        said = answer.strip(AROUND)
        alike = [value for value in self.values if value.strip(AROUND).casefold() == said.casefold()]
        if not alike:
            raise Unreadable("It is none of the values.")
        return said if said in alike else alike[0]


def retry_prompt(why: str) -> str:
    """Return the prompt that asks the model to correct an invalid answer."""
    return AGAIN.replace("{why}", why)


def _candidates(answer: str) -> Iterator[str]:
    """Yield the texts that may be the JSON: the whole answer, code blocks, first bracket to last."""
    yield answer
    yield from _blocks(answer)
    for opening, closing in (("{", "}"), ("[", "]")):
        start, end = answer.find(opening), answer.rfind(closing)
        if 0 <= start < end:
            yield answer[start : end + 1]


def _blocks(answer: str) -> Iterator[str]:
    """Yield the content of each closed code block."""
    lines: list[str] | None = None
    for line in answer.split("\n"):
        if lines is None:
            lines = [] if BEGIN.fullmatch(line) else None
        elif END.fullmatch(line):
            yield "\n".join(lines)
            lines = None
        else:
            lines.append(line)
