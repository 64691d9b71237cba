"""Reads the settings out of their file and the environment, and tells which settings there are."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from bridge.errors import SetupError
from bridge.settings import Section, Settings

OTHER_VARIABLES = ("BRIDGE_PASSWORD",)
"""Variables of single commands, which are no settings."""


def load_settings(file: Path | None = None, **given: Any) -> Settings:
    """Read `file` (default: `bridge.toml`, if there), the environment above it, and `given` above both.

    `given` has the shape of the file: `server={"port": 0}`. Raises `SetupError` that names the setting and
    what is wrong with it, and never shows a value. Secrets are taken out of the environment, which children inherit.
    """
    values = _read(file)
    _refuse_unknown_variables()

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    try:
        settings = Layered(**given)
    except (ValidationError, SettingsError) as error:
        raise SetupError(_explain(error)) from None
    os.environ.pop("BRIDGE_PROFILE_KEY", None)
    return settings


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Yield name in the file, environment variable, default and description of every setting."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            for inner, item in type(field.default).model_fields.items():
                variable = f"BRIDGE_{name}_{inner}".upper()
                yield f"{name}.{inner}", variable, _shown(item.default), item.description or ""
        else:
            yield name, f"BRIDGE_{name}".upper(), _shown(field.default), field.description or ""


def _read(file: Path | None) -> dict[str, Any]:
    path = file or Path("bridge.toml")
    if file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"Cannot read the settings file {path}: {error}") from error


def _refuse_unknown_variables() -> None:
    known = {variable for _, variable, _, _ in describe()} | set(OTHER_VARIABLES)
    unknown = sorted(name for name in os.environ if name.startswith("BRIDGE_") and name not in known)
    if unknown:
        raise SetupError(
            f"Unknown environment variable {', '.join(unknown)}; `bridge serve --help` lists the settings."
        )


def _explain(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"Bad settings: {error}"
    problems = (
        f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )
    return "Bad settings: " + "; ".join(problems)


def _shown(default: Any) -> str:
    if default in (None, (), {}):
        return "empty"
    if isinstance(default, Path) and default.is_relative_to(Path.home()):
        return f"~/{default.relative_to(Path.home())}"
    return str(default).lower() if isinstance(default, bool) else str(default)
