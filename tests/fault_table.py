"""The table of what the client gets for each failure of the site, and of the account's state afterwards.

`docs/faults.md` shows it. `test_faults_live.py` plays every row in a real Chromium, streaming and not. Rows that only
the decoder reads differently from another row are played only in `make stress`; the decoder's tests cover them, too
(`test_deepseek_refusals.py`, `test_deepseek_decoder.py`, `test_deepseek_notices.py`, `test_deepseek_files.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.demo.faults import FAULTS
from bridge.telemetry import WorkerState

READY, RESTING, MUTED = WorkerState.READY, WorkerState.RESTING, WorkerState.MUTED
LOGGED_OUT, CHALLENGED, BROKEN = WorkerState.LOGGED_OUT, WorkerState.CHALLENGED, WorkerState.BROKEN
HEADER = "| what the site does | the client gets | streaming | the account | sends | the next chat |"
AS_HTTP = "the same"
FRAME = "200, then an error frame"
PARKED = (RESTING, MUTED, LOGGED_OUT, CHALLENGED)


@dataclass(frozen=True)
class Row:
    """One fault and its promised outcome; a `status` of None means that the client gets an answer, not an error."""

    fault: str
    status: int | None = None
    code: str = ""
    says: str = ""
    """A pattern that the error's message matches."""
    begun: bool = False
    """Whether a stream has begun when the failure occurs."""
    state: WorkerState = READY
    until: bool = False
    sends: int = 1
    finish: str = "stop"
    text: Literal["whole", "template", "beginning"] = "whole"
    model: str = "deepseek-chat"
    times: int | None = 1
    reopen: bool = False
    """Whether the page is reopened after the fault is switched on."""
    rate: float = 0
    """Tokens a second; 0 is as fast as possible."""
    leaves: bool = False
    """Whether the client disconnects in the middle of the answer."""
    note: str = ""
    attached: bool = False
    """Whether the prompt has a file."""
    params: Mapping[str, Any] = field(default_factory=dict)
    streaming: str = AS_HTTP
    """What a streaming client gets, if that differs."""
    is_twin: bool = False
    """Whether another row has the same outcome once the decoder has read the response."""

    @property
    def description(self) -> str:
        """Return what the site does."""
        return self.note or FAULTS[self.fault].text

    @property
    def is_parked(self) -> bool:
        """Return whether the next chat is refused."""
        return self.state in PARKED

    @property
    def is_answered(self) -> bool:
        """Return whether the client gets an answer in spite of the fault."""
        return self.status is None and not self.leaves and self.state is READY

    def cells(self) -> Iterator[str]:
        """Yield the cells of the row."""
        yield f"{self.description} `{self.fault}`"
        if self.leaves:
            yield "nothing; it has disconnected"
        else:
            yield f"{self.status} `{self.code}`" if self.status else _answer(self)
        yield FRAME if self.begun else self.streaming
        yield _account(self)
        yield str(self.sends)
        yield _next(self)


def _answer(row: Row) -> str:
    what = {"whole": "the whole answer", "template": "the site's template", "beginning": "what there is"}[row.text]
    return what if row.finish == "stop" else f"{what}, `{row.finish}`"


def _account(row: Row) -> str:
    if row.state is READY:
        return "ready"
    if row.state is BROKEN:
        return "reopened"
    return f"{row.state}{', with its end' if row.until else ''}"


def _next(row: Row) -> str:
    if row.is_parked:
        return "503 `no_account`, not sent"
    return "answered"


def refused(fault: str, status: int, code: str, says: str, **more: Any) -> Row:
    """Return a row for a chat that the site refuses before the answer begins."""
    return Row(fault, status, code, says, **more)


def broken(fault: str, says: str, **more: Any) -> Row:
    """Return a row for an answer that breaks off, which does not affect the account."""
    return Row(fault, 502, "site_error", says, **more)


SIGNED_OUT: dict[str, Any] = {"status": 503, "code": "login_required", "state": LOGGED_OUT}
MUTE: dict[str, Any] = {"status": 403, "code": "account_muted", "says": "muted", "state": MUTED, "until": True}
REST: dict[str, Any] = {"status": 429, "code": "rate_limited", "state": RESTING, "until": True}
BUSY: dict[str, Any] = {"status": 503, "code": "site_busy", "state": RESTING, "until": True}
HUMAN: dict[str, Any] = {"status": 503, "code": "human_needed", "state": CHALLENGED, "until": True}
CHANGED: dict[str, Any] = {"status": 502, "code": "site_changed", "state": BROKEN}
TWICE: dict[str, Any] = {"sends": 2}
RELOADED: dict[str, Any] = {"state": BROKEN, "sends": 2}

REFUSALS = (
    Row("code_40001", is_twin=True, says="not signed in", **SIGNED_OUT),
    Row("code_40002", is_twin=True, says="not signed in", **SIGNED_OUT),
    Row("code_40003", says="not signed in", **SIGNED_OUT),
    Row("session_revoked", says="signed", sends=0, **SIGNED_OUT),
    Row("storage_cleared", says="signed", sends=0, **SIGNED_OUT),
    Row("muted_reply", **MUTE),
    Row("muted_reply_14", is_twin=True, **MUTE),
    Row("muted", **MUTE),
    Row("biz_10", is_twin=True, **{**MUTE, "says": "banned"}),
    Row("biz_7", is_twin=True, says="too often", **REST),
    Row("http_429", says="too often", **REST),
    Row("rate_limit_reached", is_twin=True, says="too frequent", **REST),
    Row("server_busy", is_twin=True, says="busy", **BUSY),
    Row("generating_hint", says="being generated", **BUSY),
    Row("unknown_hint", is_twin=True, says="weather_too_fine", **BUSY),
    Row("http_500", says="HTTP 500", **BUSY),
    Row("http_502", is_twin=True, says="HTTP 502", **BUSY),
    Row("biz_9", is_twin=True, says="another", **BUSY),
    Row("waf_reply", says="browser check", **HUMAN),
    Row("http_403", is_twin=True, says="human", **HUMAN),
    Row("html_body", is_twin=True, says="human", **HUMAN),
    Row("biz_11", is_twin=True, says="RISK_DEVICE_DETECTED", **HUMAN),
    Row("code_40005", is_twin=True, **RELOADED),
    Row("code_40300", is_twin=True, **RELOADED),
    Row("code_40301", **RELOADED),
    Row("code_40301", says="proof of work", times=None, note="No proof of work is ever accepted.", **CHANGED | TWICE),
    refused("context_length_exceeded", 400, "context_length_exceeded", "Length limit"),
    refused("input_exceeds_limit", 400, "context_length_exceeded", "too long", is_twin=True),
    Row("biz_1", sends=2),
    broken("biz_2", "INVALID_PARAM", is_twin=True),
    broken("biz_22", "biz_code 22"),
    Row("biz_26", is_twin=True, sends=2),
    Row("toast_only", says="busy", **BUSY),
)
"""The site refuses the call."""

STREAMS = (
    Row("generation_err", says="unavailable", begun=True, **BUSY),
    broken("empty_body", "empty body"),
    Row("reset", sends=2, note="The connection is cut before the answer begins; Chromium itself asks again."),
    broken("abort", "broke off", begun=True, rate=20),  # slow enough that its beginning has come before the cut
    Row("lost_connection", note="The connection breaks; the page takes the whole answer from its history."),
    Row("no_status"),
    Row("unattended", leaves=True, note="The client disconnects; the site would generate until it gets a stop."),
    broken("thinking_only", "after thinking, without an answer", begun=True, model="deepseek-reasoner"),
    Row("content_filter", finish="content_filter", text="template", streaming="the text, then `content_filter`"),
    Row("incomplete", note="The answer ends early; the page's Continue brings the rest.", sends=2),
    Row("auto_continue", sends=2),
    Row("no_title"),
    Row("no_close"),
    Row("linger"),
    Row("slow_first_byte", params={"seconds": 1}),
    Row("silence", params={"seconds": 1.5}),
    Row("stall", note="Nothing more comes, not even heartbeats, until the page resumes."),
    Row("event_order"),
    Row("unknown_events"),
    Row("unknown_fragments", is_twin=True),
    Row("unknown_paths", is_twin=True),
    Row("snapshot_again"),
    broken("broken_frame", "broke off", begun=True, rate=50, note="One frame is not JSON, and the page gives up."),
)
"""The answer is wrong or incomplete, or only looks so."""

PAGES = (
    Row("moved_completion", says=r"/api/v1/chat/completion", times=None, **CHANGED),
    Row("renamed_controls", times=None, reopen=True),
    Row("no_models"),
    Row("edit_box", reopen=True),
    Row("file_left_over", reopen=True),
    Row("slow_proof", params={"seconds": 5}, note="The proof of work takes longer than the limit for a page at rest."),
    Row("announcement", reopen=True, model="deepseek-reasoner"),
    Row("enter_ignored", times=None, note="Enter does nothing, ever."),
    Row("click_ignored", times=None),
    Row("new_chat_pretends", times=None, params={"trusted": True}),
    Row("toggles_reset", model="deepseek-r1-search"),
    Row("toggles_forget", times=None, model="deepseek-r1-search"),
    Row("stop_icon_unreliable", model="deepseek-reasoner"),
    Row("conversations_lost"),
    Row("cookie_demanded"),
    Row(
        "stop_ignored",
        times=None,
        leaves=True,
        state=BROKEN,
        note="The client disconnects; the stop button does nothing.",
    ),
    Row(
        "stop_unheard",
        is_twin=True,
        times=None,
        leaves=True,
        state=BROKEN,
        note="The client disconnects; the site ignores the stop.",
    ),
)
"""The page has changed."""

NO_ACCOUNT: dict[str, Any] = {"status": 503, "code": "no_account", "reopen": True, "until": True, "sends": 0}
LOADS = (
    Row("load_429", says="HTTP 429", state=RESTING, **NO_ACCOUNT),
    Row("load_500", says="HTTP 500", state=RESTING, **NO_ACCOUNT),
    Row("load_human_check", times=None, says="human", state=CHALLENGED, **NO_ACCOUNT),
    Row("load_waf", reopen=True),
)
"""The page does not load."""

FILES: dict[str, Any] = {"attached": True, "sends": 0}
UPLOADS = (
    Row("upload_slow", attached=True, params={"seconds": 1}),
    Row(
        "upload_slow",
        502,
        "site_error",
        r"has not read the file 'notes\.txt'",
        note="A file is never read.",
        params={"seconds": 3600},
        **FILES,
    ),
    Row("upload_fails", 422, "file_rejected", r"'notes\.txt'.*FAILED", **FILES),
    Row("upload_refused", 422, "file_rejected", r"'notes\.txt'.*INVALID_PARAM", **FILES),
    Row("upload_cut", 502, "site_error", r"upload of the file 'notes\.txt' broke off", times=None, **FILES),
    Row("upload_500", is_twin=True, says="HTTP 500", **BUSY | FILES),
    Row("upload_limited", is_twin=True, says="too often", **REST | FILES),
    Row("upload_muted", **MUTE | FILES),
)
"""The prompt has a file."""

TABLE = (*REFUSALS, *STREAMS, *PAGES, *LOADS, *UPLOADS)


def markdown() -> str:
    """Return the table as markdown."""
    rule = "|" + "---|" * HEADER.count(" | ") + "---|"
    rows = (f"| {' | '.join(row.cells())} |" for row in TABLE)
    return "\n".join((HEADER, rule, *rows))
