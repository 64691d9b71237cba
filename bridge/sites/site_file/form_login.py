"""Signs an account in by the plain form that a site file names, or by a bare token that the page stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bridge.errors import SiteChanged
from bridge.sites.contract import LeftSite
from bridge.sites.guarded_page import held
from bridge.sites.site_file.page_elements import PageElements
from bridge.sites.site_file.page_schema import Login

SET_VALUE = """(field, [origin, text]) => {
  if (location.origin !== origin) return false;
  field.focus();
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  set.call(field, text);
  field.dispatchEvent(new InputEvent("input", {bubbles: true, composed: true, inputType: "insertText"}));
  field.dispatchEvent(new Event("change", {bubbles: true}));
  return true;
}"""
NO_FORM = "The page shows no password form: sign in by hand, without --form."


async def sign_in(page: PageElements, login: Login, user: str, password: str, limit: float) -> None:
    """Fill and submit the form, which has `limit` milliseconds to appear."""
    if not await page.wait_for(login.password_field, limit):
        raise SiteChanged(NO_FORM)
    await _set(page, login.user_field, user)
    await _set(page, login.password_field, password)
    if login.submit:
        await page.click_required(login.submit, "login.submit")
    else:
        await page.press("Enter")


def token_state(login: Login, url: str, token: str) -> dict[str, Any] | None:
    """Return the storage state that signs a browser in at `url` with a token; None if the site has no such login."""
    if login.storage_token is None and login.cookie_token is None:
        return None
    items = [{"name": login.storage_token, "value": token}] if login.storage_token else []
    cookie = {"name": login.cookie_token, "value": token, "domain": urlsplit(url).hostname, "path": "/"}
    rest = {"expires": -1, "httpOnly": False, "secure": url.startswith("https:"), "sameSite": "Lax"}
    return {
        "cookies": [{**cookie, **rest}] if login.cookie_token else [],
        "origins": [{"origin": url, "localStorage": items}] if items else [],
    }


async def _set(page: PageElements, selectors: Sequence[str], text: str) -> None:
    """Set a field's text in a document of the site; the field's handle is valid in no other document."""
    if (field := await page.find(selectors)) is None:
        raise SiteChanged(NO_FORM)
    async with held(field):
        if not await field.evaluate(SET_VALUE, [page.origin, text]):
            raise LeftSite(page.page.url)
