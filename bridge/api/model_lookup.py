"""What the name of a model stands for: an alias of the operator, a name that accounts have, or a dialect's own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bridge.chat.model_names import resolve_alias
from bridge.chat.types import ChatBackend, Model
from bridge.errors import UnknownModel

DefaultModel = Callable[[str, str], str | None]
"""Takes a name, and that of the first model; see `Dialect.default_model`."""


class ModelLookup:
    """Finds models; `default` returns what a name stands for that nobody has, by that of the first model, or None."""

    def __init__(
        self, backend: ChatBackend, aliases: Mapping[str, str], default: DefaultModel = lambda name, first: None
    ) -> None:
        self._backend = backend
        self._aliases = aliases
        self._default = default

    def find(self, name: str) -> Model:
        """Return the model; raise `UnknownModel` where there is none, or `NoAccount` where nobody has any."""
        meant = resolve_alias(name, self._aliases)
        try:
            return self._backend.model(meant)
        except UnknownModel:
            if (default := self._default(meant, self._backend.first_model().id)) is None:
                raise
        return self._backend.model(resolve_alias(default, self._aliases))

    def named(self, name: str) -> Model:
        """Return the model under the name that it was asked for."""
        return replace(self.find(name), id=name)
