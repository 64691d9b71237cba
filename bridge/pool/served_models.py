"""Lists the models that the accounts of a pool serve, and resolves model names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.chat import model_names
from bridge.chat.types import Model
from bridge.errors import NoAccount, RequestError, UnknownModel
from bridge.pool.account import NEEDS_PERSON, NOBODY, Slot
from bridge.telemetry import WorkerState


class ServedModels:
    """The models of the accounts in `slots`, and those of the site for clients' own logins.

    `elsewhere` returns the base models of other nodes' accounts, grouped by site.
    """

    def __init__(self, slots: Callable[[], Sequence[Slot]], of_tokens: Sequence[Model]) -> None:
        self._slots = slots
        self._of_tokens = tuple(of_tokens)
        self.elsewhere: Callable[[], Sequence[Sequence[Model]]] = tuple

    def listed(self) -> Sequence[Model]:
        """Return the models of all sites with an account, except sites whose accounts all need a person.

        Accounts that rest, are muted or are being reopened count, so that the list does not change all the time.
        """
        listed: dict[str, Model] = {}
        for bases in self._sites(without=NEEDS_PERSON):
            for model in model_names.listed(bases):
                listed.setdefault(model.id, model)  # if two sites have a model of that name, the first one is listed
        return tuple(listed.values())

    def named(self, name: str) -> Model:
        """Return the model `name` of the first site that knows it; raise a `RequestError` if none does."""
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
        """Return the first model of the first site; raise `NoAccount` if there is none."""
        for bases in self._sites():
            return bases[0]
        raise NoAccount(NOBODY)

    def _sites(self, without: Sequence[WorkerState] = ()) -> list[tuple[Model, ...]]:
        """Return the base models of each site once, ignoring accounts in the states `without`."""
        served = [tuple(slot.worker.models) for slot in self._slots() if slot.state not in without]
        others = map(tuple, self.elsewhere())
        return [bases for bases in dict.fromkeys([*served, *others, self._of_tokens]) if bases]
