"""How an account of chat.deepseek.com is signed in: by the page's form, or by the token that the page keeps."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.async_api import Page


async def sign_in(page: Page, user: str, password: str, limit: float) -> None:
    """Fill the password form, which has `limit` seconds to appear, and send it."""
    form = page.locator("input[type=password]")
    by_password = page.get_by_role("button", name=re.compile("密码登录|password", re.IGNORECASE))
    await form.or_(by_password).first.wait_for(timeout=limit * 1000)
    if not await form.count():
        await by_password.first.click()
    name = page.locator("input[autocomplete=username], input[type=text], input[type=email]").first
    await name.fill(user)
    await form.first.fill(password)
    await page.get_by_role("button", name=re.compile(r"^\s*(log\s*in|sign\s*in|登录)\s*$", re.I)).first.click()


def token_state(url: str, token: str) -> dict[str, Any]:
    """Return the storage state of a browser that the token signs in at `url`."""
    item = {"name": "userToken", "value": json.dumps({"value": token, "__version": "0"})}
    return {"cookies": [], "origins": [{"origin": url, "localStorage": [item]}]}
