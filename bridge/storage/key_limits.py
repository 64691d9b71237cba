"""The limits of a key: its expiry, models, accounts and quotas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
)

from bridge.errors import RequestError

MOST_NAMES = 100
"""Most models, and most accounts, that a key may be limited to."""
Name = Annotated[StrictStr, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]
Count = Annotated[StrictInt, Field(gt=0, le=10**12)] | None


class KeyLimits(BaseModel):
    """The limits of a key; an empty or None field is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    expires: AwareDatetime | None = Field(None, description="when the key stops being let in")
    models: Names = Field((), description="names of the models that it may use, with all that they switch on")
    accounts: Names = Field((), description="names of the accounts that may answer it")
    requests_per_minute: Count = Field(None, description="chats that it may begin in a minute")
    requests_per_day: Count = Field(None, description="chats that it may begin in 24 hours")
    tokens_per_minute: Count = Field(None, description="tokens of prompts and answers in a minute")
    tokens_per_day: Count = Field(None, description="tokens of prompts and answers in 24 hours")
    parallel: Count = Field(None, description="chats that may have an account at a time; further ones wait")
    share: Annotated[StrictInt, Field(ge=1, le=100)] = Field(
        1, description="turns in the queue for each one of a key with the share 1"
    )

    def has_expired(self, now: float) -> bool:
        """Tell whether the key has expired at this Unix time."""
        return self.expires is not None and self.expires.timestamp() <= now

    def changed(self, given: Mapping[str, object]) -> KeyLimits:
        """Return these limits with the given ones replaced; raise a `RequestError` that names an invalid one."""
        return limits_of({**self.model_dump(), **given})

    def set_ones(self) -> dict[str, object]:
        """Return the limits that differ from those of a new key, as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


NO_LIMITS = KeyLimits()


def limits_of(given: Mapping[str, object]) -> KeyLimits:
    """Return limits from their names and values; raise a `RequestError` that names an invalid one."""
    try:
        limits = KeyLimits.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "limits"
        raise RequestError(f"{name}: {first['msg']}.", param=name) from None
    if limits.expires is None:
        return limits
    return limits.model_copy(update={"expires": limits.expires.astimezone(UTC).replace(microsecond=0)})
