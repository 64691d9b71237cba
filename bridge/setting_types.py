"""The base class and the types of the settings' sections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, le=24 * 365)]
MEBIBYTE = 1024**2


class Section(BaseModel):
    """A frozen section; an unknown name in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
