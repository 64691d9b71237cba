"""Descriptions of models in Ollama's form; sizes are 0 because the models are not on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from bridge.api.api_dialect import ListedModel
from bridge.api.ollama.ollama_request import ollama_time

OLLAMA_VERSION = "0.13.0"
"""The version of Ollama whose API this follows; editors require 0.6.4 or later."""
FAMILY = "bridge"
"""The family of all models, and the prefix of their properties."""
CAPABILITIES = ("completion", "tools", "thinking")
"""Capabilities of every model."""
FOREVER = 365 * 24 * 3600
"""Seconds for which a model stays loaded."""


def tags(listed: Sequence[ListedModel]) -> dict[str, Any]:
    """Return the list of models."""
    return {"models": list(map(_tag, listed))}


def running(listed: Sequence[ListedModel], now: float) -> dict[str, Any]:
    """Return the list of loaded models, which has all models."""
    return {"models": [_loaded(one, now) for one in listed]}


def shown(listed: ListedModel) -> dict[str, Any]:
    """Return the description of one model."""
    model = listed.model
    info: dict[str, Any] = {"general.architecture": FAMILY, "general.basename": model.id}
    if model.context_length is not None:
        info[f"{FAMILY}.context_length"] = model.context_length
    return {
        "license": "",
        "modelfile": f"FROM {model.id}\n",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _details(),
        "model_info": info,
        "capabilities": [*CAPABILITIES, *(("vision",) if model.files else ())],
        "modified_at": ollama_time(listed.created),
    }


def _tag(listed: ListedModel) -> dict[str, Any]:
    name = listed.model.id
    return {
        "name": name,
        "model": name,
        "modified_at": ollama_time(listed.created),
        "size": 0,
        "digest": sha256(name.encode()).hexdigest(),
        "details": _details(),
    }


def _loaded(listed: ListedModel, now: float) -> dict[str, Any]:
    tag = _tag(listed)
    del tag["modified_at"]
    length = {} if listed.model.context_length is None else {"context_length": listed.model.context_length}
    return {**tag, "expires_at": ollama_time(now + FOREVER), "size_vram": 0, **length}


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": FAMILY,
        "families": [FAMILY],
        "parameter_size": "",
        "quantization_level": "",
    }
