"""Explains what is wrong with a site file, field by field, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bridge.printable import as_line

LONGEST = 300
MOST = 50
"""The most faults that are listed."""


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a line for each wrong field."""
    found = error.errors(include_url=False, include_context=False)
    lines = [_fault(one["loc"], one["type"], one["msg"], model) for one in found[:MOST]]
    return [as_line(line[:LONGEST]) for line in dict.fromkeys(lines)]


def _fault(place: Sequence[str | int], kind: str, message: str, model: type[BaseModel]) -> str:
    where = field_name(place)
    if kind == "missing":
        about = _description(place, model)
        return f"{where} is missing{f': {about}' if about else ''}"
    if kind == "extra_forbidden":
        known = _fields_at(place[:-1], model)
        close = difflib.get_close_matches(str(place[-1]), known, 1)
        meant = f"did you mean {close[0]}?" if close else f"the fields are {', '.join(known)}"
        return f"{where} is not a field; {meant}"
    return f"{where or 'the file'}: {message.removeprefix('Value error, ')}"


def field_name(place: Sequence[str | int]) -> str:
    """Return the name of a field as people write it: `answer.rules[3].value`."""
    name = ""
    for step in place:
        if isinstance(step, int):
            name += f"[{step}]"
        elif step not in ("Condition", "str", "bool", "int", "[key]"):  # branches of a union, and keys of a table
            name += f".{step}" if name else step
    return name


def _description(place: Sequence[str | int], model: type[BaseModel]) -> str:
    at = _model_at(place[:-1], model)
    field = at.model_fields.get(str(place[-1])) if at else None
    return (field.description or "") if field else ""


def _fields_at(place: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    at = _model_at(place, model)
    return [field.alias or name for name, field in at.model_fields.items()] if at else []


def _model_at(place: Sequence[str | int], model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model of the table at a place in the file, or None."""
    at: type[BaseModel] | None = model
    for step in place:
        if isinstance(step, int) or at is None:
            continue
        field = at.model_fields.get(step)
        at = next(tables_in(field.annotation), None) if field else None
    return at


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models of the tables that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from tables_in(part)
