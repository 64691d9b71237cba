"""Files of prompts: uploaded by the page, then processed for a moment."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from bridge.demo.backend import BACKEND
from bridge.demo.checks import check_client, check_proof, signed_in
from bridge.demo.envelope import biz_refusal, missing_field, success
from bridge.demo.patches import Json
from bridge.demo.site_api import UPLOAD

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file and the state of its processing."""

    name: str
    content: bytes
    seconds: float  # until it is processed
    readable: bool
    sees: bool  # whether a picture goes to a vision model, not only through OCR
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
            "model_kind": "VISION" if self.sees else "NORMAL",
            "token_usage": len(self.content) // 4 if status == "SUCCESS" else None,
            "error_code": None if self.readable else "parse_failed",
            "inserted_at": self.inserted_at,
            "updated_at": time.time(),
            "is_image": image,
            "audit_result": "pass" if status == "SUCCESS" else None,
            "signed_path": f"/file?file_id={self.id}",
        }

    def receipt(self) -> Json:
        """Describe the received file for the sender."""
        return {"name": self.name, "size": len(self.content), "sha256": hashlib.sha256(self.content).hexdigest()}


async def upload_file(request: web.Request) -> web.Response:
    """Accept one file."""
    check_client(request)
    account = signed_in(request)
    switch = account.board.take("upload")
    if switch is not None and switch.fault.reply is not None:
        raise switch.fault.reply(switch.params)
    check_proof(request, account, UPLOAD)
    name, content = await _read_part(request)
    model, settings = request.headers.get("x-model-type"), request.app[BACKEND].settings
    if request.headers.get("x-file-size") != str(len(content)) or model not in settings.models or model == "expert":
        raise biz_refusal(2, "INVALID_PARAM")
    seconds = switch.params.get("seconds", settings.file_seconds) if switch else settings.file_seconds
    readable = switch is None or switch.name != "upload_fails"
    upload = Upload(name, content, seconds, readable, sees=model == "vision")
    account.files[upload.id] = upload
    account.changes.notify()
    return success(upload.to_json())


async def fetch_files(request: web.Request) -> web.Response:
    """Return the states of the files."""
    check_client(request)
    account = signed_in(request)
    wanted = request.query.get("file_ids", "").split(",")
    return success({"files": [account.files[name].to_json() for name in wanted if name in account.files]})


async def _read_part(request: web.Request) -> tuple[str, bytes]:
    if not request.content_type.startswith("multipart/"):
        raise missing_field("file")
    part = await (await request.multipart()).next()
    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
        raise missing_field("file")
    content = bytes(await part.read())
    if not 0 < len(content) <= request.app[BACKEND].settings.max_file_size:
        raise biz_refusal(2, "INVALID_PARAM")
    return part.filename, content


def routes() -> list[web.RouteDef]:
    """Return the routes of files."""
    return [web.post(UPLOAD, upload_file), web.get("/api/v0/file/fetch_files", fetch_files)]
