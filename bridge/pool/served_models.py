"""Which models the accounts of a pool serve, and what a name means on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.chat import model_names
from bridge.chat.types import Model
from bridge.errors import NoAccount, RequestError, UnknownModel
from bridge.pool.account import NEEDS_PERSON, NOBODY, Slot
from bridge.telemetry import WorkerState


class ServedModels:
    """The models of the accounts that `slots` returns, and those of the site that clients' own logins sign in to.

    Those that `elsewhere` returns are the base models of the accounts of other nodes, one site after the other.
    """

    def __init__(self, slots: Callable[[], Sequence[Slot]], of_tokens: Sequence[Model]) -> None:
        self._slots = slots
        self._of_tokens = tuple(of_tokens)
        self.elsewhere: Callable[[], Sequence[Sequence[Model]]] = tuple

    def listed(self) -> Sequence[Model]:
        """Return the models of all sites with an account here, unless each of those needs a person first.

        One that rests, is muted or opens again will serve again by itself: a list that comes and goes helps nobody.
        """
        listed: dict[str, Model] = {}
        for bases in self._sites(without=NEEDS_PERSON):
            for model in model_names.listed(bases):
                listed.setdefault(model.id, model)  # where two sites have one of that name, the first one is shown
        return tuple(listed.values())

    def named(self, name: str) -> Model:
        """Return what `name` means on the first site that knows it; raises a `RequestError` that says why none does."""
        sites, refused = self._sites(), None
        for bases in sites:
            try:
                return model_names.resolve(name, bases)
            except UnknownModel:
                continue
            except RequestError as error:  # a suffix that another site of such a model may have
                refused = refused or error
        if not sites:
            raise NoAccount(NOBODY)
        raise refused or model_names.unknown(name, [model for bases in sites for model in bases])

    def first(self) -> Model:
        """Return the first model of the first site; raises `NoAccount`."""
        for bases in self._sites():
            return bases[0]
        raise NoAccount(NOBODY)

    def _sites(self, without: Sequence[WorkerState] = ()) -> list[tuple[Model, ...]]:
        """Return the base models of each site, once; accounts in the states `without` do not count."""
        served = [tuple(slot.worker.models) for slot in self._slots() if slot.state not in without]
        others = map(tuple, self.elsewhere())
        return [bases for bases in dict.fromkeys([*served, *others, self._of_tokens]) if bases]
