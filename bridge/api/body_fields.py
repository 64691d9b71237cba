"""Reads the fields of a body into a model; errors name the bad field, and never quote its value."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, StrictBool, StrictInt, StrictStr, ValidationError

from bridge.api.body_size import check_limits
from bridge.api.request_model import Lenient
from bridge.errors import RequestError

FIELD_NAME = re.compile(r"\w{1,64}", re.ASCII)
STEP = re.compile(r"[a-z][A-Za-z_]*")
TYPES = ("str", "bool", "int", "list")
WORDS = dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "Input should be an object")
"""Replacements for messages that would name one of our classes, by the type of the error."""
MOST_NAMED = 20
"""Most names of ignored fields that a client is told."""
WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0{1,9})?", re.ASCII)

B = TypeVar("B", bound=Lenient)


def as_whole_number(given: object) -> object:
    """Return an integer for an integral number written as text or as a float; else the value unchanged."""
    if isinstance(given, str) and WHOLE.fullmatch(given.strip()):
        return int(float(given))
    return int(given) if isinstance(given, float) and given.is_integer() else given


Switch = StrictBool | StrictStr
"""A switch, as a boolean or a word."""
Tokens = Annotated[StrictInt, BeforeValidator(as_whole_number)]
"""A number of tokens; below 1 means no limit."""


def validated(kind: type[B], body: object) -> B:
    """Return `body` as the model `kind`; raise a `RequestError` whose `param` is the first bad field."""
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    check_limits(body, kind)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
    field = errors[0]["loc"][:1]
    deepest = max((one for one in errors if one["loc"][:1] == field), key=lambda one: len(_path(one["loc"])))
    param = "".join(_path(deepest["loc"])).removeprefix(".")
    raise RequestError(f"{param}: {WORDS.get(deepest['type'], deepest['msg'])}.", param=param)


def given_extras(asked: Lenient) -> dict[str, Any]:
    """Return the fields of a body that its model does not have; null counts as absent."""
    return {name: value for name, value in (asked.model_extra or {}).items() if value is not None}


def ignored_names(extras: Mapping[str, Any], heeded: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of ignored fields, for `ParsedRequest.ignored`."""
    names = (name for name, value in extras.items() if name not in heeded and value not in ([], {}))
    return tuple(islice(filter(FIELD_NAME.fullmatch, names), MOST_NAMED))


def _path(location: tuple[int | str, ...]) -> list[str]:
    """Return the steps of a path such as `messages[3].content`, without pydantic's names of union members."""
    names = [step for step in location if isinstance(step, int) or (STEP.fullmatch(step) and step not in TYPES)]
    return [f"[{step}]" if isinstance(step, int) else f".{step}" for step in names]
