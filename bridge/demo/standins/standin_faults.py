"""Every fault that a stand-in can play; each site says in its own words what the first ones are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bridge.demo import replies
from bridge.demo.faults import Fault

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "login": "The site says that nobody is signed in.",
        "human": "The site asks for a human.",
        "again": "The site asks for a proof, which the page gives by sending the prompt once more.",
        "elsewhere": "The response has no answer; the page asks once more, for another kind of answer.",
        "rate": "Prompts come too often.",
        "quota": "What the account may ask is used up.",
        "busy": "Too many people use the site.",
        "overloaded": "The same, in other words.",
        "refused": "The site does not want to speak about that.",
    }
)
"""The kinds of refusals, for which a site has words of its own, or none."""


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
        "no_end": _stream("The stream ends without saying that the answer is whole.", after=3),
        "empty": _stream("The answer ends in good order and has no text."),
        "stall": _stream("Nothing more comes.", after=3, seconds=3600),
        "broken_frame": _stream("One frame cannot be read.", after=3),
        "unknown_frames": _stream("There are frames that nobody has heard of.", after=3),
        "rewrite": _stream("The site changes text that it has sent.", after=3),
        "file": Fault("upload", "The site does not take a file."),
        "slow_file": Fault("upload", "The site takes its time to take a file.", {"seconds": 1.5}),
        "captcha": Fault("page", "The page wants a human before it sends anything."),
        "session_revoked": Fault("account", "All sessions end on the server while the pages are idle."),
    }
)
