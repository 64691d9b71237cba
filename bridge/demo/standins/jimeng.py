"""A stand-in for jimeng.jianying.com: a prompt starts a job, which the page polls until its pictures are ready."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json, encode_json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

POLLS = 3
"""Polls until a job is done."""


def _refused(ret: str, message: str) -> Refusal:
    return Refusal(ret, {"ret": ret, "errmsg": message, "data": None})


class Jimeng(Wire):
    """The protocol of Jimeng, which makes pictures; status 45 is not the end, despite its name."""

    name = "jimeng"
    title = "Jimeng"
    host = "jimeng.jianying.com"
    traps = (
        "an editor that reverts text set by scripts",
        "the prompt is in JSON within a string",
        "the answer is a job that the page polls",
        "a state that looks like the end and has no pictures",
    )
    login = Login(who="/passport/account/info/v2/", cookie="sessionid", guests=True)
    path = "/mweb/v1/aigc_draft/generate"
    polls_at = "/mweb/v1/get_history_by_ids"
    names_parents = False
    content_type = "application/json"
    refusals: ClassVar = {
        "login": _refused("1015", "login required"),
        "human": _refused("1019", "shark not pass"),
        "quota": _refused("5000", "not enough credits"),
        "refused": _refused("4001", "content not allowed"),
        "busy": _refused("1310", "too many at once"),
    }

    def __init__(self) -> None:
        self._ids = itertools.count(7001)
        self._asked: dict[str, int] = {}  # polls by job

    def new_id(self, kind: str) -> str:
        """Return a number."""
        return str(next(self._ids))

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or that of a visitor."""
        return {"data": {"is_visitor_account": account is None, "user_id_str": account.id if account else "0"}}

    async def read(self, request: web.Request) -> Asked:
        """Parse the draft, which is JSON within a string."""
        must(request.query.get("babi_param") and request.query.get("a_bogus"), "not signed by the page")
        body = await request.json()
        must(body["submit_id"] and body["extend"]["root_model"], "no model")
        (component,) = json.loads(body["draft_content"])["component_list"]
        return Asked(component["abilities"]["generate"]["core_param"]["prompt"], model=body["extend"]["root_model"])

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the id of the job."""
        self._asked[exchange.answer_id] = 0
        job = {"history_record_id": exchange.answer_id, "submit_id": "s-1"}
        yield encode_json({"ret": "0", "errmsg": "success", "data": {"aigc_data": job}}).encode()

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send nothing: the answer is pictures."""
        return iter(())

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send nothing."""
        return iter(())

    def polled(self, body: Mapping[str, Json], url: str) -> Json:
        """Return the states of the jobs."""
        return {"ret": "0", "data": {job: self._state(job, url) for job in body["history_ids"] if job in self._asked}}

    def _state(self, job: str, url: str) -> Json:
        self._asked[job] += 1
        state = {"submit_id": "s-1", "total_image_count": 2, "fail_code": "", "fail_msg": ""}
        if self._asked[job] < POLLS:
            status = 20 if self._asked[job] == 1 else 45
            return {**state, "status": status, "item_list": [], "task": {"finish_time": 0}, "finished_image_count": 0}
        pictures = [{"image": {"large_images": [{"image_url": f"{url}/picture/{job}-{n}.png?sign=x"}]}} for n in (1, 2)]
        done = {"status": 50, "task": {"finish_time": 1790}, "finished_image_count": 2, "item_list": pictures}
        return {**state, **done}
