"""Paths into JSON documents and conditions on what is there, as site files write them.

A path is a list of keys with dots between them. A key may be followed by steps in brackets:

    messages[0].content           an element by its number; `[-1]` is the last one
    parts[*].content              all elements
    content[type=text].text       the elements whose key has that value
    draft_content|json.prompt     a JSON document inside a string
    $event                        the name of the server-sent event, `$status` the HTTP status, `$url` the address

"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

STEP = re.compile(r"(?P<key>[$\w-]+)(?P<brackets>(?:\[(?:-?\d+|\*|[\w-]+=[^\[\]=]*)\])*)(?P<json>\|json)?")


def _path(text: str) -> str:
    if not text or any(not STEP.fullmatch(step) for step in text.split(".")):
        raise ValueError(f"'{text[:80]}' is no path; write keys with dots between them, like messages[-1].content")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


Path = Annotated[str, AfterValidator(_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Plain = str | bool | int


class Entry(BaseModel):
    """Base of all tables of a site file: immutable, and no key that is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(Entry):
    """What the value at a path must be; all that is given must hold."""

    is_in: tuple[Plain, ...] | None = Field(None, alias="in", description="one of these values")
    exists: bool | None = Field(None, description="whether there is a value other than null")
    matches: Pattern | None = Field(None, description="regular expression that is found in the text")
    is_not: Plain | None = Field(None, alias="not", description="any value but this one")


When = dict[Path, Plain | Condition]
"""Conditions by path; all must hold. A plain value must be equal."""
