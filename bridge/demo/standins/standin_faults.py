"""All faults of the stand-ins; each site has its own wording of the refusals."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bridge.demo import replies
from bridge.demo.faults import Fault

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "login": "The site reports that no user is signed in.",
        "human": "The site asks for a human check.",
        "again": "The site asks for a proof, and the page sends the prompt again with it.",
        "elsewhere": "The response has no answer; the page requests another kind of answer.",
        "rate": "Prompts are too frequent.",
        "quota": "The account's quota is used up.",
        "busy": "Too many people use the site.",
        "overloaded": "The site is busy, in another wording.",
        "refused": "The site refuses the topic.",
    }
)
"""The kinds of refusals; a site has its own wording for some of them."""


def _stream(text: str, **params: Any) -> Fault:
    return Fault("stream", text, params)


STANDIN_FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        **{kind: Fault("reply", text) for kind, text in REFUSALS.items()},
        "http_429": Fault("reply", "The call is answered with HTTP 429.", {"status": 429}, replies.http),
        "http_500": Fault("reply", "The call is answered with HTTP 500.", {"status": 500}, replies.http),
        "html_body": Fault("reply", "The answer is a web page with HTTP 200.", {}, replies.html),
        "reset": Fault("reply", "The connection is cut before the answer begins.", {}, replies.reset),
        "late_refusal": _stream("The site refuses in the middle of the answer.", kind="busy", after=3),
        "error_after_end": _stream("An error follows the end of the answer.", kind="busy"),
        "abort": _stream("The connection is cut after some pieces.", after=3),
        "no_end": _stream("The stream ends without its end event.", after=3),
        "empty": _stream("The answer ends normally without text."),
        "stall": _stream("Nothing more comes.", after=3, seconds=3600),
        "broken_frame": _stream("One frame cannot be read.", after=3),
        "unknown_frames": _stream("The stream has frames of unknown types.", after=3),
        "rewrite": _stream("The site changes text that it has already sent.", after=3),
        "file": Fault("upload", "The site refuses a file."),
        "slow_file": Fault("upload", "The site takes long to accept a file.", {"seconds": 1.5}),
        "captcha": Fault("page", "The page asks for a human check before it sends anything."),
        "session_revoked": Fault("account", "All sessions end on the server while the pages are idle."),
    }
)
