"""Resolves the name of a model: an alias of the operator, a model of the accounts, or a name of the dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bridge.chat.model_names import resolve_alias
from bridge.chat.types import ChatBackend, Model
from bridge.errors import UnknownModel

DefaultModel = Callable[[str, str], str | None]
"""Maps an unknown name and the name of the first model to a model's name; see `Dialect.default_model`."""


class ModelLookup:
    """Finds models by name; `default` maps unknown names."""

    def __init__(
        self, backend: ChatBackend, aliases: Mapping[str, str], default: DefaultModel = lambda name, first: None
    ) -> None:
        self._backend = backend
        self._aliases = aliases
        self._default = default

    def find(self, name: str) -> Model:
        """Return the model; raise `UnknownModel` if there is none, or `NoAccount` if no account has any model."""
        meant = resolve_alias(name, self._aliases)
        try:
            return self._backend.model(meant)
        except UnknownModel:
            if (default := self._default(meant, self._backend.first_model().id)) is None:
                raise
        return self._backend.model(resolve_alias(default, self._aliases))

    def named(self, name: str) -> Model:
        """Return the model with the requested name as its id."""
        return replace(self.find(name), id=name)
