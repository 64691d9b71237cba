"""The state of an account beside its login, in a form that another node can continue with."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from bridge.pool.account import Slot
from bridge.pool.operator_visits import SOON_OVER
from bridge.storage.account_states import AccountState, StoredAccountStates
from bridge.storage.send_times import SendLog


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """The state of an account: why it is parked, whether it is paused, and the Unix times of its sends of a day.

    `generating` are the conversations in which the site may still generate.
    """

    parked: AccountState | None = None
    is_paused: bool = False
    sends: tuple[float, ...] = ()
    generating: tuple[str, ...] = ()


_FORM = TypeAdapter(AccountRecord)


def record_of(slot: Slot, generating: Sequence[str] = ()) -> AccountRecord:
    """Return the record of an account now."""
    is_parked = slot.until is not None and slot.state not in SOON_OVER
    parked = AccountState(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
    sends = tuple(round(sent, 3) for sent in slot.sends)
    return AccountRecord(parked, slot.is_paused, sends, tuple(generating))


def encoded(record: AccountRecord) -> bytes:
    """Return a record as JSON."""
    return _FORM.dump_json(record)


def decoded(data: bytes) -> AccountRecord:
    """Return a record from JSON; an empty one if it cannot be read."""
    try:
        return _FORM.validate_json(data)
    except ValidationError:
        return AccountRecord()


class KnownAccounts:
    """The stored states from which the pool opens accounts."""

    def __init__(self, states: StoredAccountStates, sends: SendLog) -> None:
        self._states = states
        self._sends = sends

    def take_over(self, name: str, record: AccountRecord) -> None:
        """Apply another node's record of the account `name`, which is not open here."""
        self._states.put(name, record.parked)
        self._states.pause(name, is_paused=record.is_paused)
        known: deque[float] = self._sends.of(name)
        merged = sorted({*known, *record.sends})
        known.clear()
        known.extend(merged)
