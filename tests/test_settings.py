"""The settings: which source wins, what is refused, and that no value is ever shown."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge import env_file
from bridge.cli.options import IN_A_WINDOW
from bridge.errors import SetupError
from bridge.settings import Section, ServerSettings, Settings
from bridge.settings_sources import describe, in_force, load_settings, reread

VALUE = "hunter2"


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("BRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "bridge.toml") -> Path:
    Path(name).write_text(text, "utf-8")
    return Path(name)


def refusal(load: Callable[[], object] = load_settings) -> str:
    """Return the message of the refusal, after making sure that not even its traceback shows the value."""
    with pytest.raises(SetupError) as caught:
        load()
    assert VALUE not in "".join(traceback.format_exception(caught.value))
    return caught.value.message


def test_nothing_needs_to_be_set() -> None:
    assert load_settings().model_dump() == Settings().model_dump()


def test_what_is_given_beats_the_environment_which_beats_the_file_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("[server]\nport = 1\nhost = 'file'\ndrain = 1\n")
    monkeypatch.setenv("BRIDGE_SERVER_PORT", "2")
    monkeypatch.setenv("BRIDGE_SERVER_HOST", "environment")
    server = load_settings(server={"port": 3}).server
    assert (server.port, server.host, server.drain) == (3, "environment", 1)
    assert server.keep_alive == ServerSettings().keep_alive


def test_top_level_settings_come_from_all_sources_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    write("profiles = 'file'\nconfig = 'file'\nprofile_key_file = 'file'\n")
    monkeypatch.setenv("BRIDGE_CONFIG", "environment")
    monkeypatch.setenv("BRIDGE_PROFILE_KEY_FILE", "environment")
    settings = load_settings(config=Path("given"))
    assert (settings.profiles, settings.profile_key_file) == (Path("file"), Path("environment"))
    assert settings.config == Path("given")


def test_a_named_file_is_read_instead_of_the_one_in_the_folder() -> None:
    write("[pool]\nqueue_size = 1\n")
    assert load_settings(write("[pool]\nqueue_size = 2\n", "other.toml")).pool.queue_size == 2


def test_a_list_in_the_environment_is_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SERVER_ALLOWED_HOSTS", '["one.example", "two.example"]')
    assert load_settings().server.allowed_hosts == ("one.example", "two.example")


def test_every_described_variable_takes_the_default_it_is_described_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for _, variable, default, _ in describe():
        if default != "empty":
            monkeypatch.setenv(variable, default)
    assert load_settings().model_dump() == Settings().model_dump()


@pytest.mark.parametrize("variable", ["BRIDGE_SERVER_PROT", "BRIDGE_PROFILE", "BRIDGE_SERVER"])
def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, VALUE)
    assert variable in refusal()


def test_the_password_of_the_login_command_is_no_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PASSWORD", VALUE)
    assert VALUE not in repr(load_settings())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"[server]\nprot = '{VALUE}'", "server.prot"),
        (f"[sever]\nport = '{VALUE}'", "sever"),
        (f"key = '{VALUE}'", "key"),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_by_name(text: str, name: str) -> None:
    write(text)
    assert name in refusal()


def test_an_unknown_name_that_is_given_is_refused_by_name() -> None:
    assert "server.prot" in refusal(lambda: load_settings(server={"prot": VALUE}))


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("BRIDGE_SERVER_PORT", VALUE, "server.port"),
        ("BRIDGE_SERVER_PORT", "65536", "server.port"),
        ("BRIDGE_SERVER_ALLOWED_HOSTS", VALUE, "server"),
        ("BRIDGE_BROWSER_SANDBOX", VALUE, "browser.sandbox"),
        ("BRIDGE_TURN_TOTAL", "0", "turn.total"),
        ("BRIDGE_TURN_TOTAL", "inf", "turn.total"),
        ("BRIDGE_TURN_TOTAL", "nan", "turn.total"),
        ("BRIDGE_POOL_QUEUE_SIZE", "-1", "pool.queue_size"),
        ("BRIDGE_LOG_LEVEL", VALUE, "log.level"),
    ],
)
def test_a_bad_value_in_the_environment_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert name in refusal()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"[server]\nport = '{VALUE}'", "server.port"),
        (f"server = '{VALUE}'", "server"),
        (f"profile_key = ['{VALUE}']", "profile_key"),
        (f"profile_key = {VALUE}", "bridge.toml"),
    ],
)
def test_a_bad_value_in_the_file_is_refused_without_showing_it(text: str, name: str) -> None:
    write(text)
    assert name in refusal()


def test_a_file_that_is_named_and_cannot_be_read_is_an_error() -> None:
    Path("latin.toml").write_bytes(b"profiles = '\xe4'")
    for name in ("missing.toml", "latin.toml"):
        with pytest.raises(SetupError, match=name):
            load_settings(Path(name))


@pytest.mark.parametrize("name", ["bridge.toml", ".env"])
def test_a_folder_that_cannot_be_looked_into_is_an_error_that_names_the_file(tmp_path: Path, name: str) -> None:
    write("", "bridge.toml" if name == ".env" else ".env")
    user = os.geteuid()
    tmp_path.chmod(0)
    try:
        if user == 0:
            os.seteuid(65534)  # root may look into any folder
        with pytest.raises(SetupError, match="Cannot read"):
            (env_file.adopt_file if name == ".env" else load_settings)()
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_the_key_never_shows_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PROFILE_KEY", VALUE)
    settings = load_settings()
    assert settings.profile_key is not None
    assert settings.profile_key.get_secret_value() == VALUE
    assert VALUE not in f"{settings} {settings!r} {settings.model_dump_json()}"


def fields() -> Iterator[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            yield from ((f"{name}.{inner}", item) for inner, item in type(field.default).model_fields.items())
        else:
            yield name, field


def test_every_setting_is_described() -> None:
    described = {name: (variable, text) for name, variable, _, text in describe()}
    assert described.keys() == {name for name, _ in fields()}
    for name, field in fields():
        assert described[name] == ("BRIDGE_" + name.replace(".", "_").upper(), field.description)
        assert field.description


def test_settings_cannot_be_changed_once_read() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.profiles = Path("elsewhere")  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]


def test_each_setting_in_force_is_told_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[server]\nport = 1\nhost = 'file'\ndrain = 1\n[browser]\nheaded = true\n")
    monkeypatch.setenv("BRIDGE_SERVER_HOST", "environment")
    found = {name: (value, source) for name, _, value, source, _ in in_force(load_settings(server={"port": 3}))}
    assert found["server.port"] == ("3", "command line")
    assert found["server.host"] == ("environment", "environment")
    assert found["server.drain"] == ("1.0", "file")
    assert found["browser.headed"] == ("true", "file")
    assert found["server.keep_alive"] == ("15.0", "default")
    assert len(found) == len(list(describe()))


def test_no_secret_of_a_setting_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PROFILE_KEY", VALUE)
    proxy = f"--proxy-server=http://me:{VALUE}@proxy.example:3128"
    settings = load_settings(browser={"args": (proxy,)}, tokens={"url": f"https://a.example/{VALUE}"})
    found = {name: value for name, _, value, _, _ in in_force(settings)}
    assert VALUE not in repr(found)
    assert (found["profile_key"], found["tokens.url"]) == ("set", "https://a.example/…")
    assert found["browser.args"] == "--proxy-server=http://…@proxy.example:3128"


def test_the_address_of_a_browser_stays_when_the_settings_are_read_again_and_a_window_is_opened_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRIDGE_BROWSER_CONNECT", f"playwright+ws://127.0.0.1:3000/{VALUE}")
    here = load_settings(browser=IN_A_WINDOW)
    monkeypatch.setenv("BRIDGE_BROWSER_CONNECT", f"playwright+ws://127.0.0.1:3000/{VALUE}")
    settings = load_settings()
    assert "BRIDGE_BROWSER_CONNECT" not in os.environ, "no child process inherits it"
    assert str(reread(settings).browser.address) == str(settings.browser.address) == "playwright+ws://127.0.0.1:3000"
    assert here.browser.connect is None
    assert reread(here).browser.connect is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://me:{}@proxy.example:3128", "http://…@proxy.example:3128"),
        ("http://me:p@{}@proxy.example", "http://…@proxy.example"),
        ("http://me:p/{}@proxy.example", "http://…"),
        ("http://me:p?{}@proxy.example", "http://…"),
        ("http://me:p {}@proxy.example", "http://…@proxy.example"),
        ("http://a.example/?mail=me@{}", "http://…"),
        ("ws://127.0.0.1:9222/devtools/browser/{}", "ws://127.0.0.1:9222/…"),
        ("https://[::1]:8443/#{}", "https://[::1]:8443/…"),
        ("--proxy-server=me:{}@proxy.example:80", "--proxy-server=…@proxy.example:80"),
        ("--proxy-server=me:p={}@proxy.example:80", "--proxy-server=…@proxy.example:80"),
        ("--proxy-server=http=http://a.example;https=http://me:{}@b.example", "--proxy-server=http=http://…"),
        ("--window-size=800,600", "--window-size=800,600"),
        ("http://proxy.example:3128", "http://proxy.example:3128"),
    ],
)
def test_of_an_address_only_scheme_host_and_port_are_shown(value: str, shown: str) -> None:
    settings = load_settings(browser={"args": (value.format(VALUE), "--mute-audio")})
    found = {name: value for name, _, value, _, _ in in_force(settings)}
    assert found["browser.args"] == f"{shown}, --mute-audio"
