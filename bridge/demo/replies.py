"""The responses of the faults that refuse a call or the page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bridge.demo.envelope import Refusal, biz_refusal, refusal, success_body

Params = Mapping[str, Any]

COMPLETION = "/chat/completion"
WAF_COOKIE = "aws-waf-token"

_SOLVED = f'document.cookie = "{WAF_COOKIE}=solved; path=/; max-age=300000"; location.reload();'
_PAGE = '<!doctype html><html lang="en"><head><title>{title}</title></head><body>{body}</body></html>'


def gateway(params: Params) -> Refusal:
    """Refuse in the outer envelope."""
    return refusal(params["code"], params["message"])


def business(params: Params) -> Refusal:
    """Refuse in the inner envelope."""
    return biz_refusal(params["code"], params["message"])


def muted(params: Params) -> Refusal:
    """Refuse because the account is muted."""
    until = {"is_muted": 1, "mute_until": time.time() + params["seconds"]}
    return biz_refusal(params["code"], "user is muted", until)


def http(params: Params) -> Refusal:
    """Refuse with an HTTP status."""
    body = _PAGE.format(title=params["status"], body=f"<h1>{params['status']}</h1>")
    return Refusal(f"http-{params['status']}", body, params["status"], content_type="text/html")


def firewall(_params: Params) -> Refusal:
    """Answer with the firewall's challenge, which no call can solve."""
    return _challenge("waf", "", 202, "challenge")


def challenge(params: Params) -> Refusal:
    """Answer with the firewall's challenge, which a browser solves and then reloads."""
    script = f"<script>setTimeout(() => {{ {_SOLVED} }}, {params['seconds'] * 1000:g})</script>"
    return _challenge("waf", f'<div id="challenge-container"></div>{script}', 202, "challenge")


def human_check(_params: Params) -> Refusal:
    """Answer with a page that requires a trusted click."""
    check = f"<script>function check(event) {{ if (event.isTrusted) {{ {_SOLVED} }} }}</script>"
    body = f'<h1>Confirm you are human</h1><button onclick="check(event)">Begin</button>{check}'
    return _challenge("human-check", body, 405, "captcha")


def empty(_params: Params) -> Refusal:
    """Answer with an empty stream."""
    return Refusal("empty", "", content_type="text/event-stream")


def html(_params: Params) -> Refusal:
    """Answer with a web page."""
    return Refusal("html", _PAGE.format(title="DeepSeek", body="<p>hello</p>"), content_type="text/html")


def reset(_params: Params) -> Refusal:
    """Cut the connection without an answer."""
    return Refusal("reset", "", cut=True)


def pretend(_params: Params) -> Refusal:
    """Report success, and do nothing."""
    return Refusal("pretended", success_body(None))


def _challenge(code: str, body: str, status: int, action: str) -> Refusal:
    page = _PAGE.format(title="Human Verification" if action == "captcha" else "", body=body)
    return Refusal(code, page, status, content_type="text/html", headers={"x-amzn-waf-action": action})
