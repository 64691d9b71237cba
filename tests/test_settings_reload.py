"""Settings are read again while the bridge runs: some count at once, others are named, a bad file changes nothing."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path

import aiohttp
import pytest
from loguru import logger

from bridge import log
from bridge.app import running
from bridge.errors import RequestError
from bridge.monitor.log_tail import LogTail
from bridge.pool.quota import Quota
from bridge.settings import PoolSettings, Settings
from bridge.settings_reload import LIVE, SettingsReload
from bridge.settings_sources import LoadedSettings, load_settings, names_of
from bridge.storage.key_files import KeyFile
from tests.support.certificates import self_signed, shown_by
from tests.support.commands import Home

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _log_as_before() -> Generator[None]:
    yield
    logger.remove()
    logger.add(sys.stderr)


def written(folder: Path, text: str) -> Path:
    file = folder / "bridge.toml"
    place = f'config = "{folder}/config"\nprofiles = "{folder}/profiles"\n'
    file.write_text(place + text, "utf-8")
    return file


async def test_settings_that_can_count_at_once_and_the_others_are_named(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[pool]\nqueue_size = 3\n[turn]\nsilence = 50\n"), server={"port": 0})
    pool, pages, told = settings.pool, settings.pages, list[int]()
    written(tmp_path, "[pool]\nqueue_size = 9\nturns_per_hour = 5\n[server]\nport = 7\nmax_body = 99\n")
    done = await SettingsReload(settings, lambda: told.append(1)).now()
    assert done.changed == ["pool.queue_size", "pool.turns_per_hour", "turn.silence"]
    assert done.needs_restart == ["server.max_body"], "the port that the command line gave stays"
    assert (pool.queue_size, pool.turns_per_hour, settings.turn.silence) == (9, 5, 60.0)
    assert pages.turn.silence == 60.0, "a group that was taken before has the same sections"
    assert settings.server.max_body != 99
    assert settings.source_of("pool.turns_per_hour") == "file"
    assert settings.source_of("turn.silence") == "default"
    assert told == [1]
    assert PoolSettings() == Settings().pool, "nobody else's settings are changed"
    assert str(await SettingsReload(settings, lambda: None).now()) == (
        "No setting was changed. A restart is needed for: server.max_body."
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[pool]\nqueue_size = -1\n", "pool.queue_size"),
        ("[pool\n", "Cannot read the settings file"),
        ("[pool]\nno_such = 1\n", "pool.no_such"),
    ],
)
async def test_a_bad_file_keeps_the_settings_and_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    settings = load_settings(written(tmp_path, "[pool]\nqueue_size = 3\n"))
    written(tmp_path, text)
    with pytest.raises(RequestError, match=re.escape(says)) as raised:
        await SettingsReload(settings, lambda: None).now()
    assert raised.value.message.startswith("The settings are unchanged.")
    assert settings.pool.queue_size == 3


async def test_the_admin_api_reads_the_settings_again_without_an_end_of_the_bridge(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[server]\nport = 0\n"))
    async with running(settings) as bridge, aiohttp.ClientSession() as http:
        key = KeyFile(settings.config, "admin_key").keys()[0]
        written(tmp_path, "[server]\nport = 0\n[sleep]\nmax_open = 2\n")
        url = f"{bridge.url}/admin/api/reload"
        async with http.post(url, headers={"Authorization": f"Bearer {key}"}, json={}) as answer:
            assert answer.status == 200
            assert await answer.json() == {
                "changed": ["sleep.max_open"],
                "needs_restart": [],
                "message": "Changed: sleep.max_open.",
            }
        assert settings.sleep.max_open == 2
        written(tmp_path, "[sleep]\nmax_open = 0\n")
        async with http.post(url, headers={"Authorization": f"Bearer {key}"}, json={}) as answer:
            assert answer.status == 400
            assert "sleep.max_open" in (await answer.json())["error"]["message"]


async def test_a_level_of_the_log_that_is_changed_counts_at_once_on_the_dashboard_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings, tail = load_settings(written(tmp_path, '[log]\nlevel = "WARNING"\n')), LogTail()
    log.set_up(settings.log)
    with tail.listening(settings.log):
        logger.info("before")
        written(tmp_path, '[log]\nlevel = "INFO"\n')
        assert (await SettingsReload(settings, lambda: None).now()).changed == ["log.level"]
        logger.info("after")
    lines = [line.text for line in tail.after(0)]
    assert (lines[-1], "before" in lines) == ("after", False)
    printed = capfd.readouterr().err
    assert ("after" in printed, "before" in printed) == (True, False)


def test_a_quota_that_is_changed_counts_at_once(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ""))
    quota = Quota(settings.pool)
    assert quota.full_until([time.time()]) is None
    settings.pool.__dict__["turns_per_hour"] = 1
    assert quota.full_until([time.time()]) is not None


def test_the_documentation_names_the_settings_that_count_at_once(tmp_path: Path) -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8").partition("## Reloading")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+\.\w+)`", text)) == LIVE
    assert set(names_of(LoadedSettings())) >= LIVE


@pytest.mark.browser
async def test_a_hangup_has_settings_and_certificate_read_again_and_ends_nothing(tmp_path: Path) -> None:
    files, renewed = await self_signed(tmp_path), await self_signed(tmp_path, "renewed")
    tls = f'[server]\ntls_certificate = "{files.certificate}"\ntls_key = "{files.key}"\n'
    written(tmp_path, tls)
    with Home.at(tmp_path) as home:
        async with home.overheard("serve") as command:
            found = re.search(r"https://127\.0\.0\.1:\d+", await command.shows("Accounts   none yet"))
            assert found
            assert await shown_by(found[0]) == files.shown()
            files.become(renewed)
            written(tmp_path, f"{tls}[pool]\nqueue_size = 9\n")
            command.process.send_signal(signal.SIGHUP)
            await command.shows("Changed: pool.queue_size.")
            assert await shown_by(found[0]) == renewed.shown()
            assert await command.ends(signal.SIGTERM) == 0
