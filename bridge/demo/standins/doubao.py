"""A stand-in for www.doubao.com: named events, and pieces that belong to the last opened block."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

TEXT, THINKING, ATTACHED = 10000, 10040, 10052
DEPTHS = {0: "快速", 1: "思考", 3: "专家"}
PICTURE = 1
"""The type of an attached picture; all other types are files."""
BOT = "7338286299411103781"


def _error(code: int, message: str) -> bytes:
    return sse({"error_code": code, "error_msg": message}, "STREAM_ERROR")


def _block(name: str, text: str, parent: str = "") -> Json:
    return {
        "block_type": TEXT,
        "block_id": name,
        "parent_id": parent,
        "content": {"text_block": {"text": text}},
    }


def _attached(messages: list[Json]) -> Iterator[Json]:
    """Yield the files of the message before the prompt, if there is one."""
    for message in messages:
        (block,) = message["content_block"]
        must(block["block_type"] == ATTACHED, "another kind of block before the prompt")
        for one in block["content"]["attachment_block"]["attachments"]:
            yield one["image"] if one["type"] == PICTURE else one["file"]


class Doubao(Wire):
    """The protocol of Doubao: sends the user's own message first, and several end events."""

    name = "doubao"
    title = "Doubao"
    host = "www.doubao.com"
    traps = (
        "a hidden copy of the composer",
        "an editor that reverts text set by scripts",
        "a promotion over the page, which hides it from role queries",
        "a provisional address",
        "the user's own message comes first",
        "pieces belong to the last opened block",
        "one menu for models and thinking, with changing prefixes of its names",
        "several end events",
        "files go to another host, and are a separate message before the prompt",
    )
    login = Login(who="/passport/account/info/v2/", cookie="sessionid", guests=True)
    path = "/chat/completion"
    prepares_at = "/top/v1"
    uploads_at = "/upload/v1/tos-cn-i-a9rns2rl98/{id}"
    uploads_by = "PUT"
    stores = "*.bytedancevod.com"
    refusals: ClassVar = {
        "login": _error(710012000, "user invalid"),
        "human": _error(710022004, "rate limited, verify"),
        "rate": _error(710022002, "访问频繁"),
        "busy": Refusal("busy", {"code": 500, "message": "a lot of people are using the app"}),
    }
    unknown = sse({"sun": True}, "WEATHER")
    broken = sse("{", "CHUNK_DELTA")

    def __init__(self) -> None:
        self._ids = itertools.count(3801)

    def new_id(self, kind: str) -> str:
        """Return a number."""
        return str(next(self._ids))

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or none."""
        return {"message": "success", "data": {"user_id_str": account.id} if account else {}}

    def prepared(self, upload: str) -> Json:
        """Return the address and key for the upload."""
        store = {"StoreUri": f"tos-cn-i-a9rns2rl98/{upload}", "Auth": "SpaceKey/1"}
        return {"Result": {"UploadAddress": {"StoreInfos": [store], "SessionKey": "s"}}}

    async def read_upload(self, request: web.Request) -> tuple[str, bytes]:
        """Return the body, which is the file's content; its name comes with the prompt."""
        if request.headers.get("authorization") != "SpaceKey/1":
            raise Refusal("upload", {"message": "not the key of this upload"}, 403)
        return "", await request.read()

    def uploaded(self, name: str, upload: str) -> Json:
        """Return success."""
        return {"code": 2000, "message": "Success"}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only message and its options."""
        must(request.query.get("a_bogus") and request.query.get("msToken"), "not signed by the page")
        body = await request.json()
        (*before, message), option, meta = body["messages"], body["option"], body["client_meta"]
        (block,) = message["content_block"]
        must(meta["bot_id"] == BOT, "another bot")
        must(option["need_create_conversation"] is (meta["conversation_id"] == ""), "new and not new")
        text, parent = block["content"]["text_block"]["text"], meta["last_message_id"] or None
        files = {file["uri"].rpartition("/")[2]: file["name"] for file in _attached(before)}
        deep = option["need_deep_think"]
        must(deep in DEPTHS, "another depth of thinking")
        return Asked(text, meta["conversation_id"], parent, deep > 0, model=DEPTHS[deep], files=files)

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the conversation's id, the user's own message, and the first block."""
        ids = {"conversation_id": exchange.thread.id, "section_id": "1"}
        asked = {"question_id": exchange.prompt_id, "message_index": 1}
        yield sse({"ack_client_meta": ids, "query_list": [asked]}, "SSE_ACK")
        own = {"message_id": exchange.prompt_id, "user_type": 1, "content_block": [_block("q", exchange.asked.prompt)]}
        yield sse({"message": own}, "FULL_MSG_NOTIFY")
        thinks = {"block_type": THINKING, "block_id": "t", "content": {"thinking_block": {"finish_title": "…"}}}
        blocks = [thinks] if exchange.asked.thinking else []
        meta = {"message_id": exchange.answer_id, "index_in_conv": 2}
        yield sse({"meta": meta, "content": {"content_block": blocks}}, "STREAM_MSG_NOTIFY")
        yield sse({}, "SSE_HEARTBEAT")

    def _patch(self, *blocks: Json) -> bytes:
        value = {"content_block": list(blocks)}
        return sse({"patch_op": [{"patch_object": 1, "patch_value": value}]}, "STREAM_CHUNK")

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Open a block in the thinking, then append to it."""
        if exchange.thought == piece:
            yield self._patch(_block("t1", piece, "t"))
        else:
            yield sse({"text": piece}, "CHUNK_DELTA")

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Close the thinking and open a block, then append to it."""
        if exchange.text != piece:
            yield sse({"text": piece}, "CHUNK_DELTA")
            return
        closed = {"block_type": THINKING, "block_id": "t", "is_finish": True}
        yield self._patch(*([closed] if exchange.asked.thinking else []), _block("b1", piece))

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End the message, then the reply."""
        yield sse({"end_type": 1, "msg_finish_attr": {"brief": exchange.text[:20]}}, "SSE_REPLY_END")
        yield sse({"end_type": 3}, "SSE_REPLY_END")
