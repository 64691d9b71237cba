"""A part of a request's body: what is not known is kept, and no error shows what was sent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """A part of the body; unknown fields are kept, and no error shows what was sent."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)
