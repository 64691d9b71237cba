"""The faults that are switched on, with how often and how long each still strikes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.demo.faults import FAULTS, Fault, Where

Faults = Mapping[str, Fault]


@dataclass(slots=True)
class Switch:
    """One fault that is switched on."""

    name: str
    fault: Fault
    params: Mapping[str, Any]
    left: int | None  # how often it still strikes; None is always
    until: float  # by time.monotonic()

    @property
    def on(self) -> bool:
        """Tell whether it still strikes."""
        return self.left != 0 and time.monotonic() < self.until


def make_switch(
    name: str, times: int | None, lasting: float | None, params: Mapping[str, Any], faults: Faults = FAULTS
) -> Switch:
    """Return a switch, or raise ValueError if the site has no such fault or parameter."""
    fault = faults.get(name)
    if fault is None:
        raise ValueError(f"there is no fault {name!r}")
    unknown = set(params) - set(fault.params)
    if unknown:
        raise ValueError(f"the fault {name!r} has no {', '.join(sorted(unknown))}")
    until = float("inf") if lasting is None else time.monotonic() + lasting
    return Switch(name, fault, {**fault.params, **params}, times, until)


class Switchboard:
    """The faults of one account, or of the whole site."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._switches: list[Switch] = []
        self.version = 0

    def __iter__(self) -> Iterator[Switch]:
        self._switches = [switch for switch in self._switches if switch.on]
        return iter(self._switches)

    def switch_on(self, switch: Switch) -> None:
        """Add a fault, replacing one of the same name."""
        self._switches = [s for s in self._switches if s.name != switch.name] + [switch]
        self._touch()

    def switch_off(self, name: str | None = None) -> None:
        """Remove one fault, or all."""
        self._switches = [s for s in self._switches if name is not None and s.name != name]
        self._touch()

    def take(self, where: Where, call: str = "") -> Switch | None:
        """Return the next fault that strikes here, and count it."""
        for switch in self:
            if switch.fault.where == where and call.endswith(switch.params.get("call", "")):
                self.use(switch.name)
                return switch
        return None

    def use(self, name: str) -> None:
        """Count one strike of a fault."""
        for switch in self:
            if switch.name == name and switch.left is not None:
                switch.left -= 1
        self._touch()

    def on_page(self) -> dict[str, dict[str, Any]]:
        """Return the faults for the page, in the form that it is sent."""
        return {s.name: {**s.params, "left": s.left} for s in self if s.fault.where == "page"}

    def to_json(self) -> list[dict[str, Any]]:
        """Describe the faults that are switched on."""
        return [{"name": s.name, "left": s.left, "params": dict(s.params)} for s in self]

    def _touch(self) -> None:
        self.version += 1
        self._changed()
