"""Reads the settings from their file and the environment, and lists all settings."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from bridge import env_file
from bridge.errors import SetupError
from bridge.settings import Section, Settings

PLACE = re.compile(r"(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d+)?", re.ASCII | re.IGNORECASE)
"""A host and its port."""
SECRETS = ("BRIDGE_PROFILE_KEY", "BRIDGE_CLUSTER_KEY", "BRIDGE_CLUSTER_URL", "BRIDGE_BROWSER_CONNECT")
Source = Literal["default", "file", "environment", "command line"]
"""The source of a setting's value."""


class LoadedSettings(Settings, BaseSettings):
    """Settings with the source of each value."""

    # the first `_` after the prefix ends the section's name: BRIDGE_POOL_QUEUE_SIZE is `queue_size` of `pool`
    model_config = SettingsConfigDict(env_prefix="BRIDGE_", env_nested_delimiter="_", env_nested_max_split=1)

    _file: Path | None = PrivateAttr(None)
    _given: dict[str, Any] = PrivateAttr(default_factory=dict)
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    def come_from(self, file: Path | None, sources: dict[str, Source], given: dict[str, Any]) -> None:
        """Record the named file, the `given` overrides, and the sources of the values."""
        self._file, self._sources, self._given = file, sources, given
        for name, value in self.__dict__.items():
            if isinstance(value, Section):  # else a default section would be shared with other settings
                self.__dict__[name] = value.model_copy()

    def take_source(self, name: str, new: LoadedSettings) -> None:
        """Set the source of a setting to that in `new`."""
        self._sources.pop(name, None)
        if (source := new.source_of(name)) != "default":
            self._sources[name] = source

    def source_of(self, name: str) -> Source:
        """Return the source of a setting's value, such as of `server.port`."""
        return self._sources.get(name, "default")


def load_settings(file: Path | None = None, **given: Any) -> LoadedSettings:
    """Read `file` (default: `bridge.toml`, if it exists), overridden by `.env`, the environment and `given`.

    `given` has the shape of the file: `server={"port": 0}`. Raise a `SetupError` that names the setting and the error,
    but never a value. Secrets are removed from the environment, which child processes inherit.
    """
    values = _read(file)
    env_file.adopt_file()
    _refuse_unknown_variables()

    class Layered(LoadedSettings):
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
    settings.come_from(file, dict(_sources(values, given)), given)
    for name in SECRETS:
        os.environ.pop(name, None)
    return settings


def reread(settings: LoadedSettings) -> LoadedSettings:
    """Read the settings again from their sources; raise `SetupError` if they are invalid.

    The first reading removed the secrets from the environment, so they are kept.
    """
    new = load_settings(settings._file, **{**settings._given, "cluster": settings.cluster.model_dump()})
    if new.profile_key is None:
        new.__dict__["profile_key"] = settings.profile_key
    if new.browser.connect is None:
        new.browser.__dict__["connect"] = settings.browser.connect
    return new


def names_of(settings: Settings) -> list[str]:
    """Return the names of all settings."""
    return [name for name, *_ in describe()]


def value_of(settings: Settings, name: str) -> Any:
    """Return the value of a setting, such as `server.port`."""
    section, _, inner = name.partition(".")
    value = getattr(settings, section)
    return getattr(value, inner) if inner else value


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, environment variable, default and description of every setting."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            for inner, item in type(field.default).model_fields.items():
                variable = f"BRIDGE_{name}_{inner}".upper()
                yield f"{name}.{inner}", variable, _shown(item.default), item.description or ""
        else:
            yield name, f"BRIDGE_{name}".upper(), _shown(field.default), field.description or ""


def in_force(settings: Settings) -> Iterator[tuple[str, str, str, Source, str]]:
    """Yield the name, variable, value, source and description of every setting, without secrets."""
    for name, variable, _, description in describe():
        section, _, inner = name.partition(".")
        value = getattr(settings, section)
        shown = _shown(_public(getattr(value, inner) if inner else value))
        yield name, variable, shown, _source_of(settings, name), description


def file_of(settings: Settings) -> Path | None:
    """Return the settings file that was named, or None."""
    return settings._file if isinstance(settings, LoadedSettings) else None


def _source_of(settings: Settings, name: str) -> Source:
    return settings.source_of(name) if isinstance(settings, LoadedSettings) else "default"


def _sources(file: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[str, Source]]:
    """Yield each setting that is set, with its source."""
    for name, variable, _, _ in describe():
        if _has(given, name):
            yield name, "command line"
        elif variable in os.environ:
            yield name, "environment"
        elif _has(file, name):
            yield name, "file"


def _public(value: Any) -> Any:
    """Return a value with each address reduced to scheme, host and port, as the rest may be secret."""
    if isinstance(value, tuple):
        return tuple(map(_public, value))
    if not isinstance(value, str):
        return value
    before, is_address, address = value.partition("://")
    if is_address:
        return f"{before if '@' not in before else '…'}://{_place_of(address)}"
    if "@" not in value:
        return value
    name, is_switch, given = value.partition("=")
    return f"{name}={_place_of(given)}" if is_switch and "@" not in name else _place_of(value)


def _place_of(address: str) -> str:
    """Return the host and port of an address; nothing if an @ may belong to either a password or a query."""
    host = re.split("[/?#]", address, maxsplit=1)[0]
    end, rest = address[len(host) :][:1], address[len(host) + 1 :]
    _, at, place = host.rpartition("@")
    if not PLACE.fullmatch(place) or "@" in rest:
        return "…"
    return f"{'…@' if at else ''}{place}{end + '…' if rest else end}"


def _has(values: Mapping[str, Any], name: str) -> bool:
    section, _, inner = name.partition(".")
    value = values.get(section)
    return inner in value if inner and isinstance(value, Mapping) else section in values and not inner


def _read(file: Path | None) -> dict[str, Any]:
    path = file or Path("bridge.toml")
    try:
        if file is None and not path.is_file():
            return {}
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"Cannot read the settings file {path}: {error}") from error


def _refuse_unknown_variables() -> None:
    known = {variable for _, variable, _, _ in describe()} | set(env_file.OF_COMMANDS)
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
    if isinstance(default, SecretStr):
        return "set"
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    if isinstance(default, Path) and default.is_relative_to(Path.home()):
        return f"~/{default.relative_to(Path.home())}"
    return str(default).lower() if isinstance(default, bool) else str(default)
