"""Lists the fields of a site file, table by table, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.sites.site_file.field_faults import tables_in
from bridge.sites.site_file.schema import SiteFile


class FieldRow(NamedTuple):
    """One field: its name, type, default and purpose."""

    name: str
    kind: str
    default: str
    about: str


class Table(NamedTuple):
    """One table of a site file; `name` is its place in the file."""

    name: str
    about: str
    rows: tuple[FieldRow, ...]


def tables() -> Iterator[Table]:
    """Yield the tables, the top level first; one that several fields may hold is yielded once."""
    seen: set[type[BaseModel]] = set()
    yield from _tables("", SiteFile, seen)


def _tables(name: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[Table]:
    if model in seen:
        return
    seen.add(model)
    about = " ".join((model.__doc__ or "").split())
    yield Table(name, about, tuple(_row(key, field) for key, field in model.model_fields.items()))
    for key, field in model.model_fields.items():
        for inner in tables_in(field.annotation):
            yield from _tables(f"{name}.{key}".lstrip("."), inner, seen)


def _row(name: str, field: FieldInfo) -> FieldRow:
    return FieldRow(field.alias or name, _kind(field.annotation), _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if default is None or default in ((), {}, "") or isinstance(default, BaseModel):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str) else str(list(default) if isinstance(default, tuple) else default)


def _kind(annotation: Any) -> str:
    """Return the type of a field as text."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if found := next(tables_in(annotation), None):
        is_list = origin is tuple
        return "conditions" if found.__name__ == "Condition" else "tables" if is_list else "table"
    if origin is Literal:
        return " \\| ".join(f'`"{part}"`' for part in parts)
    if origin is tuple:
        return f"list of {_kind(parts[0])}s"
    if origin is dict:
        return "table of texts"
    if {str, bool, int} <= set(parts):
        return "value" if all(get_origin(part) is not tuple for part in parts) else "value or list of values"
    kinds = [_kind(part) for part in parts if part is not NoneType] if parts and origin is not None else []
    names = {str: "text", bool: "true or false", int: "number", float: "number"}
    return names.get(annotation, " or ".join(dict.fromkeys(kinds)) or "text")
