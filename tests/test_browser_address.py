"""The addresses of browsers that run elsewhere: told apart, checked, and never shown whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.browser_address import browser_address
from bridge.settings import BrowserSettings
from bridge.settings_sources import LoadedSettings, in_force

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("written", "protocol", "url", "shown"),
    [
        ("http://127.0.0.1:9222", "cdp", "http://127.0.0.1:9222", "http://127.0.0.1:9222"),
        (f"https://chrome.example/?token={SECRET}", "cdp", None, "https://chrome.example:443"),
        (f"ws://[::1]:9222/devtools/browser/{SECRET}", "cdp", None, "cdp+ws://[::1]:9222"),
        (
            f"cdp+wss://chrome.example?token={SECRET}",
            "cdp",
            f"wss://chrome.example?token={SECRET}",
            "cdp+wss://chrome.example:443",
        ),
        (
            f"playwright+ws://me:{SECRET}@127.0.0.1:3000/{SECRET}",
            "playwright",
            f"ws://me:{SECRET}@127.0.0.1:3000/{SECRET}",
            "playwright+ws://127.0.0.1:3000",
        ),
    ],
)
def test_the_scheme_says_what_answers_there_and_no_secret_is_shown(
    written: str, protocol: str, url: str | None, shown: str
) -> None:
    address = browser_address(written)
    assert (address.protocol, address.url) == (protocol, url or written)
    assert str(address) == shown
    settings = LoadedSettings(browser=BrowserSettings.model_validate({"connect": written}))
    told = repr(address) + repr(settings) + str(list(in_force(settings)))
    assert SECRET not in told


@pytest.mark.parametrize(
    ("connect", "says"),
    [
        ("127.0.0.1:9222", "write http://HOST:PORT"),
        ("ftp://127.0.0.1:9222", "write http://HOST:PORT"),
        ("http://:9222", "write http://HOST:PORT"),
        ("http://127.0.0.1:99999", "write http://HOST:PORT"),
        ("cdp+http://127.0.0.1:9222", "write http://HOST:PORT"),
        ("selenium+ws://127.0.0.1:4444", "write http://HOST:PORT"),
        ("playwright+ws://127.0.0.1:3000/\n", "write http://HOST:PORT"),
        ("playwright+ws://127.0.0.1:3000/#x", "write http://HOST:PORT"),
        ("ws://127.0.0.1:3000/", r"playwright\+ws:// is a Playwright server"),
        ("http://127.0.0.1:9222/json", r"name its WebSocket with cdp\+ws://"),
        ("http://192.0.2.7:9222", "add 192.0.2.7 to connect_hosts"),
        ("playwright+ws://Server.example:3000", "add server.example to connect_hosts"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_what_to_write(connect: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        BrowserSettings.model_validate({"connect": connect})
    assert connect not in str(refused.value)


def test_another_machine_is_connected_to_by_tls_or_where_it_is_named() -> None:
    for connect, hosts in (
        ("http://chrome:9222", ("Chrome",)),
        ("http://[::1]:9222", ()),
        ("playwright+ws://127.0.0.2:1", ()),
        ("playwright+wss://server.example/", ()),
        ("https://chrome.example", ()),
    ):
        assert BrowserSettings.model_validate({"connect": connect, "connect_hosts": hosts}).address


@given(st.text(max_size=80) | st.from_regex(r"(cdp\+|playwright\+)?(ws|http)s?://[^/]{0,20}/?.{0,20}"))
def test_no_text_is_more_than_refused(written: str) -> None:
    try:
        address = browser_address(written)
    except ValueError:
        return
    assert str(address).isprintable()
    assert 0 < address.port < 65536
