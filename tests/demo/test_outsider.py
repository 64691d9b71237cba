"""A client that is not the page is refused, even with the token of somebody who is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from bridge.demo import Account, DemoSite

PAGE_HEADERS = {
    "x-client-platform": "web",
    "x-client-version": "2.5.0",
    "x-client-locale": "en_US",
    "x-client-timezone-offset": "0",
    "x-client-bundle-id": "com.deepseek.chat",
    "user-agent": "outsider",
}


@pytest_asyncio.fixture(loop_scope="session")
async def outsider(site: DemoSite, account: Account) -> AsyncIterator[ClientSession]:
    """Hold a stolen token and the right headers, but no page."""
    token, _ = account.sign_in()
    headers = {**PAGE_HEADERS, "authorization": f"Bearer {token}"}
    async with ClientSession(f"{site.url}/api/v0/", headers=headers) as session:
        yield session


async def _post(session: ClientSession, path: str, body: object, **headers: str) -> tuple[int, dict[str, object]]:
    async with session.post(path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def _prompt(session: ClientSession, **changes: object) -> dict[str, object]:
    _, created = await _post(session, "chat_session/create", {})
    conversation = created["data"]["biz_data"]["chat_session"]["id"]  # type: ignore[index]
    return {
        "chat_session_id": conversation,
        "parent_message_id": None,
        "model_type": "default",
        "prompt": "hello",
        "ref_file_ids": [],
        "thinking_enabled": False,
        "search_enabled": False,
        "action": None,
        "preempt": False,
        **changes,
    }


async def test_a_stolen_token_alone_gets_no_answer(account: Account, outsider: ClientSession) -> None:
    status, answer = await _post(outsider, "chat/completion", await _prompt(outsider))
    assert (status, answer["code"], answer["msg"]) == (200, 40300, "MISSING_HEADER")
    assert account.turns[-1].outcome == "refused:40300"


async def test_a_made_up_proof_gets_no_answer(site: DemoSite, outsider: ClientSession) -> None:
    async with outsider.get(f"{site.url}/hif/query") as response:
        hif = (await response.json())["data"]["biz_data"]["value"]
    made_up = {"x-ds-pow-response": "e30=", "x-hif-leim": hif, "referer": f"{site.url}/"}
    _, answer = await _post(outsider, "chat/completion", await _prompt(outsider), **made_up)
    assert answer["code"] == 40301


async def test_an_unknown_token_is_signed_out(outsider: ClientSession) -> None:
    _, answer = await _post(outsider, "chat_session/create", {}, authorization="Bearer guessed")
    assert answer["code"] == 40003


@pytest.mark.parametrize("name", [n for n in PAGE_HEADERS if n.startswith("x-") and n != "x-client-version"])
async def test_a_missing_page_header_is_refused(outsider: ClientSession, name: str) -> None:
    _, answer = await _post(outsider, "chat_session/create", {}, **{name: ""})
    assert answer["code"] == 40300


async def test_an_old_page_is_told_that_it_is_too_old(outsider: ClientSession) -> None:
    _, answer = await _post(outsider, "chat_session/create", {}, **{"x-client-version": "1.8.0"})
    assert (answer["code"], answer["msg"]) == (40005, "CLIENT_VERSION_TOO_LOW")


@pytest.mark.parametrize("field", ["prompt", "thinking_enabled", "ref_file_ids"])
async def test_a_missing_field_is_named(outsider: ClientSession, field: str) -> None:
    body = await _prompt(outsider)
    del body[field]
    status, answer = await _post(outsider, "chat/completion", body)
    assert (status, answer) == (422, {"detail": [{"loc": f"body.{field}"}]})


async def test_a_sign_in_from_an_unknown_device_is_refused(account: Account, outsider: ClientSession) -> None:
    form = {"email": account.email, "password": account.password, "device_id": "made-up", "os": "web"}
    _, answer = await _post(outsider, "users/login", form)
    assert answer["data"]["biz_msg"] == "RISK_DEVICE_DETECTED"  # type: ignore[index]
