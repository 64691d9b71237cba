"""Signs an account of chat.deepseek.com in: by the page's form, or by the token that the page stores."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.errors import SiteChanged
from bridge.sites.deepseek.page import DeepSeekPage

SIGN_IN_HOSTS = (
    *("*.fengkongcloud.com", "*.portal101.cn"),  # device check
    *("accounts.google.com", "*.gstatic.com", "open.weixin.qq.com", "*.wx.qq.com"),
)
"""Hosts that only the sign-in needs."""
SWITCH_LIMIT = 5_000
"""Milliseconds that the password form has to appear after the click that switches to it."""
NO_FORM = "The page shows no password form, and no way to one: sign in by hand, without --form."


async def sign_in(shown: DeepSeekPage, user: str, password: str, limit: float) -> None:
    """Fill and submit the password form, which has `limit` seconds to appear."""
    page = shown.page
    try:
        if await shown.wait_for("signInWay", limit=limit * 1000) == "switch":
            await shown.click("byPassword")
            await shown.wait_for("passwordForm", limit=SWITCH_LIMIT)
    except PlaywrightTimeout as error:
        raise SiteChanged(NO_FORM) from error
    name = page.locator("input[autocomplete=username], input[type=text], input[type=email]").filter(visible=True).first
    word = page.locator("input[type=password]").filter(visible=True)
    button = page.get_by_role("button", name=re.compile(r"^\s*(log\s*in|sign\s*in|登录)\s*$", re.I))
    await (await shown.own(name)).fill(user)
    await (await shown.own(word)).fill(password)
    await (await shown.own(button)).click()


def token_state(url: str, token: str) -> dict[str, Any]:
    """Return the storage state that signs a browser in at `url` with the token."""
    item = {"name": "userToken", "value": json.dumps({"value": token, "__version": "0"})}
    return {"cookies": [], "origins": [{"origin": url, "localStorage": [item]}]}
