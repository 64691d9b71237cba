"""`/v1/models`: the models that clients may request, in the form of the caller's dialect."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aiohttp import web

from bridge.api.access.key_policy import KeyPolicy
from bridge.api.api_dialect import Dialects, ListedModel
from bridge.api.http_errors import dump
from bridge.api.model_lookup import DefaultModel, ModelLookup
from bridge.chat.model_names import resolve_alias
from bridge.chat.types import ChatBackend, Model
from bridge.errors import BridgeError


class ModelList:
    """Handlers of the models, and lookup of listed and unlisted ones."""

    path = "/v1/models"

    def __init__(
        self,
        backend: ChatBackend,
        aliases: Mapping[str, str],
        dialects: Dialects,
        policy: KeyPolicy | None = None,
    ) -> None:
        self._policy = policy or KeyPolicy()
        self._backend = backend
        self._aliases = aliases
        self._dialects = dialects
        self._created = int(time.time())

    async def all(self, request: web.Request) -> web.Response:
        """Return the listed models that the key may use."""
        caller, find = self._policy.caller_of(request), ModelLookup(self._backend, self._aliases).find
        listed = [one for one in self.listed() if self._policy.may_use(caller, find(one.model.id), find)]
        dialect = self._dialects.of(request)
        return _json(dialect.models(listed) or self._dialects.all[0].models(listed))

    async def one(self, request: web.Request) -> web.Response:
        """Return one model, listed or not."""
        dialect = self._dialects.of(request)
        listed = self.find(request.match_info["id"], dialect.default_model)
        return _json(dialect.model(listed) or self._dialects.all[0].model(listed))

    def listed(self) -> Sequence[ListedModel]:
        """Return the models to list, the operator's aliases last."""
        lookup = ModelLookup(self._backend, self._aliases)
        models = [*self._backend.models()]
        for alias in self._aliases:
            with suppress(BridgeError):  # no account serves the model
                models.append(lookup.named(alias))
        return list(map(self._listed, models))

    def find(self, name: str, default: DefaultModel) -> ListedModel:
        """Return a model by its name; raise `UnknownModel` if there is none."""
        return self._listed(ModelLookup(self._backend, self._aliases, default).named(name))

    def _listed(self, model: Model) -> ListedModel:
        meant = resolve_alias(model.id, self._aliases)
        return ListedModel(model, self._created, None if meant == model.id else meant)


def _json(body: object) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
