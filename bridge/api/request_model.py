"""The base of the models of request bodies."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """A part of the body; keeps unknown fields, and never quotes values in errors."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)
