"""The table of all faults of the demo site.

Where a fault strikes: `reply` replaces the response to a call, `stream` rewrites the answer, `load` replaces the
page's document, `page` makes the page's own scripts misbehave, `upload` fails or delays a file, and `account` changes
the account at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from bridge.demo import replies, rewrites
from bridge.demo.envelope import Refusal
from bridge.demo.score import Score

Params = Mapping[str, Any]
Where = Literal["reply", "stream", "load", "page", "upload", "account"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the site can misbehave."""

    where: Where
    text: str
    params: Params = field(default_factory=dict)
    reply: Callable[[Params], Refusal] | None = None
    rewrite: Callable[[Score, Params], Score] | None = None
    rest: Callable[[Score, Params], Score] | None = None  # the part that can be continued later


_TOO_FREQUENT = {"en": "Messages too frequent. Try again later.", "zh": "消息发送过于频繁，请稍后重试"}
_FULL = {"en": "Length limit reached. Please start a new chat.", "zh": "达到对话长度上限，请开启新对话"}
_TOO_LONG = {"en": "Content is too long. Please shorten it and try again.", "zh": "内容过长，请删减后再试"}
_BUSY = {"en": "Server busy, please try again later.", "zh": "服务器繁忙，请稍后重试"}
_UNAVAILABLE = {"en": "Server is temporarily unavailable.", "zh": "服务器暂时不可用"}
_GENERATING = {"en": "Another message is being generated.", "zh": "有消息正在生成"}
_UNKNOWN = {"en": "The weather is too fine.", "zh": "天气太好了"}
_DAY = 86_400


def _code(code: int, message: str, text: str) -> Fault:
    return Fault("reply", text, {"code": code, "message": message, "call": replies.COMPLETION}, replies.gateway)


def _biz(code: int, message: str, text: str) -> Fault:
    return Fault("reply", text, {"code": code, "message": message, "call": replies.COMPLETION}, replies.business)


def _reply(text: str, reply: Callable[[Params], Refusal], call: str = replies.COMPLETION, **params: Any) -> Fault:
    return Fault("reply", text, {**params, "call": call}, reply)


def _hint(reason: str, content: Mapping[str, str], text: str) -> Fault:
    return Fault("stream", text, {"reason": reason, "content": content}, rewrite=rewrites.refuse_with_hint)


def _stream(text: str, rewrite: Callable[[Score, Params], Score], **params: Any) -> Fault:
    return Fault("stream", text, params, rewrite=rewrite)


def _incomplete(text: str, *, auto: bool) -> Fault:
    params = {"after": 3, "auto": auto}
    return Fault("stream", text, params, rewrite=rewrites.leave_incomplete, rest=rewrites.rest_of)


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        # sign-in
        "code_40001": _code(40001, "Authorization Failed", "A call is refused as not signed in; the page signs out."),
        "code_40002": _code(40002, "Missing Token", "A call is refused as one without a token; the page signs out."),
        "code_40003": _code(40003, "Authorization Failed (invalid token)", "The token no longer counts for one call."),
        "session_revoked": Fault("account", "All sessions end on the server while the pages are idle."),
        "storage_cleared": Fault("account", "The page's localStorage is emptied while it is open."),
        "cookie_demanded": Fault("account", "Completions are refused without the session cookie from now on."),
        # the front end's own checks
        "code_40005": _code(40005, "CLIENT_VERSION_TOO_LOW", "A call is refused because the page is too old."),
        "code_40300": _code(40300, "MISSING_HEADER", "A call is refused for a missing header."),
        "code_40301": _code(40301, "INVALID_POW_RESPONSE", "A proof of work is refused."),
        # mutes and refusals in the inner envelope
        "muted": Fault("account", "The account is muted: a banner in place of the composer.", {"seconds": _DAY}),
        "muted_reply": _reply("A completion is refused as muted.", replies.muted, code=5, seconds=_DAY),
        "muted_reply_14": _reply(
            "A call is refused as muted, with another code.", replies.muted, code=14, seconds=_DAY
        ),
        "biz_1": _biz(1, "invalid chat session id", "The conversation is gone."),
        "biz_2": _biz(2, "INVALID_PARAM", "The call is refused as malformed."),
        "biz_7": _biz(7, "rate limit reached", "A call is refused in JSON: the rate limit is reached."),
        "biz_9": _biz(9, "another message is being generated", "A call is refused: another generation is in progress."),
        "biz_10": _biz(10, "USER_IS_BANNED", "The account is banned."),
        "biz_11": _biz(11, "RISK_DEVICE_DETECTED", "The device is classified as a risk."),
        "biz_22": _biz(22, "invalid message status", "The message's status does not allow this call."),
        "biz_26": _biz(26, "invalid message id", "The parent message is unknown."),
        "conversations_lost": Fault("account", "All conversations are deleted on the server."),
        # HTTP
        "http_403": _reply("A call is answered with HTTP 403.", replies.http, status=403),
        "http_429": _reply("A call is answered with HTTP 429.", replies.http, status=429),
        "http_500": _reply("A call is answered with HTTP 500.", replies.http, status=500),
        "http_502": _reply("A call is answered with HTTP 502.", replies.http, status=502),
        "waf_reply": _reply("A call is answered with the firewall's challenge page.", replies.firewall),
        "empty_body": _reply("The answer is an empty stream.", replies.empty),
        "html_body": _reply("The answer is a web page with HTTP 200.", replies.html),
        "reset": _reply("The connection is cut before the answer begins.", replies.reset),
        "stop_unheard": _reply("A stop is acknowledged but ignored.", replies.pretend, call="/chat/stop_stream"),
        # the page does not load
        "load_429": Fault("load", "The page is answered with HTTP 429.", {"status": 429}, replies.http),
        "load_500": Fault("load", "The page is answered with HTTP 500.", {"status": 500}, replies.http),
        "load_waf": Fault(
            "load", "The firewall's challenge comes first; the browser solves it.", {"seconds": 0.3}, replies.challenge
        ),
        "load_human_check": Fault("load", "The site requires a human's click first.", {}, replies.human_check),
        # refusals in the stream
        "rate_limit_reached": _hint("rate_limit_reached", _TOO_FREQUENT, "The stream has only a hint: too frequent."),
        "context_length_exceeded": _hint(
            "context_length_exceeded", _FULL, "The stream only has a hint: conversation full."
        ),
        "input_exceeds_limit": _hint("input_exceeds_limit", _TOO_LONG, "The stream has only a hint: prompt too long."),
        "generating_hint": _hint("", _GENERATING, "The stream has only a hint: another answer is being generated."),
        "unknown_hint": _hint("weather_too_fine", _UNKNOWN, "The stream has only a hint with an unknown reason."),
        "server_busy": _hint("server_busy", _BUSY, "The stream has only a hint: server busy."),
        "generation_err": Fault(
            "stream",
            "The server fails in the middle of the answer, with a hint.",
            {"reason": "generation_err", "content": _UNAVAILABLE, "after": 3},
            rewrite=rewrites.fail_with_hint,
        ),
        "toast_only": _stream("The stream has only a toast.", rewrites.refuse_with_toast, content=_BUSY),
        # streams that end badly
        "abort": _stream("The connection is cut after some tokens.", rewrites.abort, after=3, hard=False),
        "lost_connection": _stream(
            "The connection breaks, and the server finishes the answer.", rewrites.lose, after=3
        ),
        "unattended": _stream("The answer continues after its reader has left.", rewrites.unattend),
        "no_status": _stream("The stream closes without the status that the answer is finished.", rewrites.drop_status),
        "thinking_only": _stream("The turn finishes without an answer.", rewrites.think_only),
        "content_filter": _stream(
            "The answer is withdrawn when it is almost finished.", rewrites.filter_content, seconds=0.2
        ),
        "incomplete": _incomplete("The answer ends early and can be continued.", auto=False),
        "auto_continue": _incomplete("The answer ends early and the page continues by itself.", auto=True),
        "no_title": _stream("A new conversation gets no title.", rewrites.drop_events, names=("title",)),
        "no_close": _stream("The stream ends without its closing event.", rewrites.drop_events, names=("close",)),
        "linger": _stream("The connection stays open after the end.", rewrites.linger, seconds=30),
        # slow streams
        "slow_first_byte": _stream("The response begins late.", rewrites.hold_back, seconds=3),
        "silence": _stream(
            "The answer pauses; only heartbeats come.", rewrites.pause, after=3, seconds=10, heartbeats=True
        ),
        "stall": _stream(
            "Nothing more comes until the page resumes.", rewrites.pause, after=3, seconds=3600, heartbeats=False
        ),
        # unusual streams
        "event_order": _stream("Events come in another order.", rewrites.reorder_events),
        "unknown_events": _stream("The stream has events of unknown types.", rewrites.add_unknown_events),
        "unknown_fragments": _stream("The stream has a fragment of an unknown type.", rewrites.add_unknown_fragments),
        "unknown_paths": _stream("Patches change paths that do not exist.", rewrites.add_unknown_paths),
        "snapshot_again": _stream("The whole message comes again in the middle.", rewrites.repeat_snapshot, after=3),
        "broken_frame": _stream("One frame is not JSON.", rewrites.break_frame, after=3),
        # the page behaves differently
        "moved_completion": Fault("page", "The page sends completions to another address."),
        "renamed_controls": Fault(
            "page",
            "Placeholder, roles, classes and styles have new names.",
            {"placeholder": True, "roles": True, "classes": True, "styles": True},
        ),
        "unknown_control": Fault("page", "One control is replaced by another element.", {"control": "composer"}),
        "no_models": Fault("page", "The page has no model menu."),
        "edit_box": Fault("page", "A second text box comes before the composer."),
        "announcement": Fault("page", "A dialog covers the page until it is closed."),
        "file_left_over": Fault("page", "A file from before is still attached to the text box."),
        "enter_ignored": Fault("page", "Enter does nothing."),
        "click_ignored": Fault("page", "The send button does nothing."),
        "new_chat_pretends": Fault("page", "New chat changes only the address.", {"trusted": False}),
        "toggles_reset": Fault("page", "A toggle resets a moment after a click.", {"seconds": 0.3}),
        "toggles_forget": Fault("page", "A new chat resets the toggles to their defaults."),
        "stop_icon_unreliable": Fault("page", "While the model thinks, the button looks idle."),
        "slow_proof": Fault("page", "The proof of work takes long.", {"seconds": 3}),
        "stop_ignored": Fault("page", "The stop button does nothing."),
        # files
        "upload_slow": Fault("upload", "A file takes long to process.", {"seconds": 3}),
        "upload_fails": Fault("upload", "A file cannot be processed."),
        "upload_limited": Fault(
            "upload",
            "An upload is refused: the rate limit is reached.",
            {"code": 7, "message": "rate limit reached"},
            replies.business,
        ),
        "upload_refused": Fault(
            "upload", "An upload is refused as malformed.", {"code": 2, "message": "INVALID_PARAM"}, replies.business
        ),
        "upload_cut": Fault("upload", "The connection is cut in an upload.", {}, replies.reset),
        "upload_500": Fault("upload", "An upload is answered with HTTP 500.", {"status": 500}, replies.http),
        "upload_muted": Fault("upload", "An upload is refused as muted.", {"code": 14, "seconds": _DAY}, replies.muted),
    }
)
