"""The endpoint speaks HTTPS with the operator's certificate, and takes a renewed one without losing a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from bridge.app import Bridge, running
from bridge.client import Client, named, way_to
from bridge.errors import RequestError, SetupError
from bridge.settings import ServerSettings
from bridge.settings_reload import SettingsReload
from bridge.settings_sources import LoadedSettings, load_settings
from bridge.storage.key_files import KeyFile
from tests.support.certificates import CertificateFiles, openssl, self_signed, shown_by
from tests.support.waiting import LIMIT

pytestmark = pytest.mark.browser  # they start openssl


@pytest.fixture
async def files(tmp_path: Path) -> CertificateFiles:
    return await self_signed(tmp_path)


def settings_with(files: CertificateFiles, **server: object) -> LoadedSettings:
    """Return the settings of a bridge beside the certificate."""
    folder = files.key.parent
    (folder / "bridge.toml").write_text(f'config = "{folder}/config"\nprofiles = "{folder}/profiles"\n', "utf-8")
    tls = {"tls_certificate": files.certificate, "tls_key": files.key}
    return load_settings(folder / "bridge.toml", server={"port": 0, **tls, **server})


@asynccontextmanager
async def speaking_https(files: CertificateFiles, **server: object) -> AsyncGenerator[tuple[Bridge, LoadedSettings]]:
    settings = settings_with(files, **server)
    async with running(settings) as bridge:
        assert bridge.url.startswith("https://127.0.0.1:")
        yield bridge, settings


def client(files: CertificateFiles) -> aiohttp.ClientSession:
    """Return a client that trusts this certificate alone."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=files.trusting()), timeout=aiohttp.ClientTimeout(total=LIMIT)
    )


async def test_a_client_that_trusts_the_certificate_is_served_and_no_other_one(files: CertificateFiles) -> None:
    other = await self_signed(files.key.parent, "other")
    async with speaking_https(files) as (bridge, settings):
        key = {"Authorization": f"Bearer {KeyFile(settings.config).keys()[0]}"}
        async with client(files) as http, http.get(f"{bridge.url}/v1/models", headers=key) as answer:
            assert (answer.status, await answer.json()) == (200, {"object": "list", "data": []})
        async with client(other) as http:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"{bridge.url}/healthz")
        plain = bridge.url.replace("https", "http")
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{plain}/healthz")


async def test_the_commands_of_this_machine_trust_the_certificate_of_the_settings_alone(
    files: CertificateFiles,
) -> None:
    async with speaking_https(files) as (bridge, settings):
        assert await Client(*way_to(settings.config, settings.server, bridge.url, None)).is_bridge()
        other = await self_signed(files.key.parent, "other")
        with pytest.raises(SetupError, match=r"is not trusted.*server\.tls_certificate"):
            await Client(*way_to(settings.config, settings_with(other).server, bridge.url, None)).models()


async def test_a_session_of_the_dashboard_gets_a_cookie_for_https_alone(files: CertificateFiles) -> None:
    async with speaking_https(files) as (bridge, settings), client(files) as http:
        key = KeyFile(settings.config, "admin_key").keys()[0]
        async with http.post(f"{bridge.url}/admin/api/session", json={"key": key}) as answer:
            assert answer.status == 200, await answer.text()
            assert [cookie["secure"] for cookie in answer.cookies.values()] == [True]


async def test_a_renewed_certificate_is_shown_from_the_next_connection_on_and_open_ones_stay(
    files: CertificateFiles,
) -> None:
    renewed = await self_signed(files.key.parent, "renewed")
    async with speaking_https(files) as (bridge, settings), client(files) as http:
        admin = {"Authorization": f"Bearer {KeyFile(settings.config, 'admin_key').keys()[0]}"}
        first = files.shown()
        async with http.get(f"{bridge.url}/healthz") as answer:
            assert answer.status == 200
        files.become(renewed)
        assert await shown_by(bridge.url) == first, "nobody has said that it is to be read"
        async with http.post(f"{bridge.url}/admin/api/reload", headers=admin, json={}) as answer:
            assert answer.status == 200, await answer.text()
        assert await shown_by(bridge.url) == renewed.shown() != first
        async with http.get(f"{bridge.url}/healthz") as answer:  # trusts the first one alone, so its connection is kept
            assert answer.status == 200
        async with client(renewed) as other, other.get(f"{bridge.url}/healthz") as answer:
            assert answer.status == 200


async def test_a_renewed_certificate_that_is_of_no_use_changes_nothing_and_the_operator_is_told(
    files: CertificateFiles,
) -> None:
    other = await self_signed(files.key.parent, "other")
    async with speaking_https(files) as (bridge, settings), client(files) as http:
        admin = {"Authorization": f"Bearer {KeyFile(settings.config, 'admin_key').keys()[0]}"}
        first = files.shown()
        files.certificate.write_bytes(other.certificate.read_bytes())  # the key is still the old one
        async with http.post(f"{bridge.url}/admin/api/reload", headers=admin, json={}) as answer:
            assert answer.status == 400
            assert "server.tls_certificate" in (await answer.json())["error"]["message"]
        assert await shown_by(bridge.url) == first


async def test_a_mistake_in_the_settings_does_not_keep_a_renewed_certificate_away(files: CertificateFiles) -> None:
    settings, read = settings_with(files), list[int]()
    (files.key.parent / "bridge.toml").write_text("[pool\n")
    with pytest.raises(RequestError, match="Cannot read the settings file"):
        await SettingsReload(settings, lambda: None, lambda: read.append(1)).now()
    assert read == [1]


async def test_a_client_that_does_not_end_its_handshake_is_cut_off(files: CertificateFiles) -> None:
    async with speaking_https(files, header_timeout=0.2) as (bridge, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(bridge.url).port)
        writer.write(b"\x16\x03\x01")  # the beginning of a hello
        async with asyncio.timeout(LIMIT):
            with_end = await reader.read()
        assert with_end == b""
        writer.close()


async def test_programs_that_know_ollamas_port_alone_reach_it_without_https_on_this_machine(
    files: CertificateFiles, unused_tcp_port: int
) -> None:
    async with speaking_https(files, ollama_port=unused_tcp_port) as (bridge, _), aiohttp.ClientSession() as http:
        assert bridge.ollama_url == f"http://127.0.0.1:{unused_tcp_port}"
        async with http.get(f"{bridge.ollama_url}/api/version") as answer:
            assert answer.status in (200, 401)


async def test_one_file_may_hold_certificate_and_key(files: CertificateFiles) -> None:
    both = files.key.with_name("both.pem")
    both.touch(0o600)
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    async with running(settings_with(files, tls_certificate=both, tls_key=None)) as bridge:
        assert await shown_by(bridge.url) == files.shown()


async def locked_key(files: CertificateFiles) -> None:
    locked = files.key.with_name("locked.key")
    await openssl("pkey", "-in", str(files.key), "-aes256", "-passout", "pass:1", "-out", str(locked))
    files.key.write_bytes(locked.read_bytes())


async def readable_key(files: CertificateFiles) -> None:
    files.key.chmod(0o644)


async def anothers_key(files: CertificateFiles) -> None:
    files.key.write_bytes((await self_signed(files.key.parent, "another")).key.read_bytes())


async def no_key(files: CertificateFiles) -> None:
    files.key.unlink()


async def no_certificate(files: CertificateFiles) -> None:
    files.certificate.write_text("-----BEGIN", "ascii")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (locked_key, "has a password"),
        (readable_key, "chmod 600"),
        (anothers_key, "are not a certificate and its key"),
        (no_key, "Cannot read the file"),
        (no_certificate, "are not a certificate and its key"),
    ],
)
async def test_files_of_no_use_keep_the_bridge_from_starting_and_it_says_why(
    files: CertificateFiles, spoil: object, says: str
) -> None:
    assert callable(spoil)
    await spoil(files)
    with pytest.raises(SetupError, match=says):
        async with running(settings_with(files)):
            pass


async def test_a_key_without_a_certificate_is_refused_and_not_left_at_http(files: CertificateFiles) -> None:
    with pytest.raises(SetupError, match=r"server\.tls_key needs server\.tls_certificate"):
        async with running(settings_with(files, tls_certificate=None)):
            pass


@pytest.mark.parametrize(
    ("url", "hosts", "shown"),
    [
        ("https://0.0.0.0:8000", ("bridge.example.com", "other"), "https://bridge.example.com:8000"),
        ("https://0.0.0.0:8000", ("bridge.example.com:443",), "https://bridge.example.com:443"),
        ("https://0.0.0.0:8000", (), "https://127.0.0.1:8000"),
        ("http://0.0.0.0:8000", ("bridge.example.com",), "http://127.0.0.1:8000"),
    ],
)
def test_what_the_bridge_prints_is_an_address_that_its_certificate_names(
    url: str, hosts: tuple[str, ...], shown: str
) -> None:
    assert named(url, ServerSettings(allowed_hosts=hosts)) == shown
