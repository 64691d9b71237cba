"""Files on their way to the model: uploaded by the page, then read for a moment."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from bridge.demo.accounts import Account
from bridge.demo.api import UPLOAD
from bridge.demo.backend import BACKEND
from bridge.demo.checks import check_client, check_proof, signed_in
from bridge.demo.envelope import biz_refusal, missing_field, success
from bridge.demo.patches import Json

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class Upload:
    """Hold one file and how far its reading is."""

    name: str
    content: bytes
    seconds: float  # until it is read
    readable: bool
    id: str = field(default_factory=lambda: f"file-{uuid.uuid4()}")
    inserted_at: float = field(default_factory=time.time)

    @property
    def status(self) -> str:
        """Return PENDING, PARSING, SUCCESS or FAILED."""
        share = (time.time() - self.inserted_at) / self.seconds if self.seconds else 1
        if share < 1:
            return "PENDING" if share < 0.5 else "PARSING"
        return "SUCCESS" if self.readable else "FAILED"

    def to_json(self) -> Json:
        """Describe the file to the page."""
        status, image = self.status, self.name.lower().endswith(_IMAGES)
        return {
            "id": self.id,
            "status": status,
            "file_name": self.name,
            "from_share": False,
            "file_size": len(self.content),
            "model_kind": "VISION" if image else "NORMAL",
            "token_usage": len(self.content) // 4 if status == "SUCCESS" else None,
            "error_code": None if self.readable else "parse_failed",
            "inserted_at": self.inserted_at,
            "updated_at": time.time(),
            "is_image": image,
            "audit_result": "pass" if status == "SUCCESS" else None,
            "signed_path": f"/file?file_id={self.id}",
        }


async def upload_file(request: web.Request) -> web.Response:
    """Take one file."""
    check_client(request)
    account = signed_in(request)
    check_proof(request, account, UPLOAD)
    name, content = await _read_part(request)
    upload = _accept(account, name, content, request.app[BACKEND].settings.file_seconds)
    account.files[upload.id] = upload
    return success(upload.to_json())


async def fetch_files(request: web.Request) -> web.Response:
    """Say how far the files are."""
    check_client(request)
    account = signed_in(request)
    wanted = request.query.get("file_ids", "").split(",")
    return success({"files": [account.files[name].to_json() for name in wanted if name in account.files]})


def _accept(account: Account, name: str, content: bytes, seconds: float) -> Upload:
    switch = account.board.take("upload")
    if switch is None:
        return Upload(name, content, seconds, readable=True)
    if switch.fault.reply is not None:
        raise switch.fault.reply(switch.params)
    return Upload(name, content, switch.params.get("seconds", seconds), readable=switch.name != "upload_fails")


async def _read_part(request: web.Request) -> tuple[str, bytes]:
    if not request.content_type.startswith("multipart/"):
        raise missing_field("file")
    part = await (await request.multipart()).next()
    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
        raise missing_field("file")
    content = bytes(await part.read())
    if not content:
        raise biz_refusal(2, "INVALID_PARAM")
    return part.filename, content


def routes() -> list[web.RouteDef]:
    """Return the routes of files."""
    return [web.post(UPLOAD, upload_file), web.get("/api/v0/file/fetch_files", fetch_files)]
