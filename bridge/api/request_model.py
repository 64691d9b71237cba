"""The base of the models that read bodies from clients."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """A part of the body; unknown fields are kept, and no error shows what was sent."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)
