"""The limits of keys: kept with the key's digest, changed one by one, and refused by their names."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.api.access.credentials import load_credentials, renamed_accounts
from bridge.errors import NotThere, RequestError
from bridge.settings import DashboardSettings, ServerSettings
from bridge.storage.api_keys import KeyStore
from bridge.storage.key_limits import NO_LIMITS, limits_of
from bridge.tasks import Tasks
from bridge.telemetry import AccountRenamed, Telemetry
from tests.support.waiting import until


def test_a_key_and_its_limits_are_kept_without_the_key_itself(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    limits = limits_of({"parallel": 2, "models": ["deepseek"], "expires": "2030-01-02T03:04:05.6+02:00"})
    key, text = store.add("ci", "chat", limits)
    assert store.all()[-1] == key
    assert key.limits.expires == datetime(2030, 1, 2, 1, 4, 5, tzinfo=UTC)
    stored = (tmp_path / "keys.json").read_text()
    assert text not in stored
    assert text.removeprefix("sk-bridge-") not in stored


def test_keys_of_an_earlier_version_have_no_limits(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.add("old", "chat")
    path = tmp_path / "keys.json"
    document = json.loads(path.read_text())
    for one in document["keys"]:
        del one["limits"]
    path.write_text(json.dumps(document))
    assert [key.limits for key in store.all()] == [NO_LIMITS]


def test_a_change_leaves_the_other_limits_as_they_are(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    key, _ = store.add("ci", "chat", limits_of({"parallel": 2, "tokens_per_day": 1000}))
    store.change(key.id, {"parallel": None, "accounts": ["alice"]})
    (changed,) = store.all()
    assert changed.limits.set_ones() == {"tokens_per_day": 1000, "accounts": ["alice"]}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"parallel": 0}, "parallel"),
        ({"parallel": "2"}, "parallel"),
        ({"share": 101}, "share"),
        ({"share": None}, "share"),
        ({"tokens_per_day": 1.5}, "tokens_per_day"),
        ({"models": "deepseek"}, "models"),
        ({"models": [""]}, "models"),
        ({"accounts": ["a"] * 101}, "accounts"),
        ({"expires": "2030-01-01T00:00:00"}, "expires"),
        ({"paralel": 1}, "paralel"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_name(given: dict[str, object], param: str, tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    key, _ = store.add("ci", "chat")
    with pytest.raises(RequestError) as refused:
        store.change(key.id, given)
    assert refused.value.param == param
    assert store.all()[-1].limits == NO_LIMITS


async def test_a_key_follows_the_name_of_an_account_that_it_may_use(tmp_path: Path) -> None:
    access = await asyncio.to_thread(load_credentials, tmp_path, ServerSettings(), DashboardSettings())
    tasks = Tasks()
    key, _ = await access.add("ci", "chat", limits_of({"accounts": ["alice", "bob"], "parallel": 2}))
    telemetry = Telemetry(renamed_accounts(access, tasks))
    telemetry.emit(AccountRenamed("alice", "carol"))
    await until(lambda: access.limits_of(key.id).accounts == ("carol", "bob"))
    assert access.limits_of(key.id).parallel == 2
    await tasks.close()


def test_a_plain_key_has_no_limits_and_an_unknown_one_is_not_there(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.prepare(is_local=False)
    with pytest.raises(RequestError, match="add a named key"):
        store.change(store.all()[0].id, {"parallel": 1})
    with pytest.raises(NotThere, match="no key with the id 'nobody'"):
        store.change("nobody", {"parallel": 1})
