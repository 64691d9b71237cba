"""`/v1/files` by OpenAI's contract, with limits, and a folder that holds nothing else than what it was given."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import aiohttp
import openai
import pytest
from openai.types import FileDeleted, FileObject

from bridge.durations import DAY
from bridge.errors import FileTooLarge, UnknownFile
from bridge.settings import FileSettings, ServerSettings
from bridge.storage.file_store import FileStore, StoredFile, Upload
from tests.support.fake_backend import Served, serving

DATA = bytes(range(256))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    limits = FileSettings(folder=tmp_path / "files", max_bytes=1000, max_stored=2500)
    async with serving(ServerSettings(max_body=5000), files=limits) as running:
        yield running


async def keep(
    served: Served, name: str = "a.bin", data: bytes = DATA, purpose: Literal["user_data", "vision"] = "user_data"
) -> FileObject:
    return await served.openai.files.create(file=(name, data), purpose=purpose)


async def test_a_file_is_kept_listed_returned_and_deleted(served: Served) -> None:
    kept = await keep(served, "报告 1.pdf")
    assert (kept.filename, kept.bytes, kept.purpose, kept.status) == ("报告 1.pdf", 256, "user_data", "processed")
    assert abs(kept.created_at - time.time()) < 60
    assert kept.expires_at is not None
    assert abs(kept.expires_at - time.time() - 30 * DAY) < 60
    assert await served.openai.files.retrieve(kept.id) == kept
    assert [file async for file in served.openai.files.list()] == [kept]
    assert (await served.openai.files.content(kept.id)).content == DATA
    assert await served.openai.files.delete(kept.id) == FileDeleted(id=kept.id, deleted=True, object="file")
    assert [file async for file in served.openai.files.list()] == []
    with pytest.raises(openai.NotFoundError) as caught:
        await served.openai.files.content(kept.id)
    assert (caught.value.code, caught.value.param) == ("file_not_found", "id")


async def test_every_answer_is_one_by_the_sdk_s_own_types(served: Served) -> None:
    kept = await keep(served)
    async with served.http.get("/v1/files") as response:
        listed = await response.json()
    assert (listed["object"], listed["has_more"], listed["first_id"], listed["last_id"]) == (
        *("list", False),
        *(kept.id, kept.id),
    )
    for described in listed["data"]:
        FileObject.model_validate(described, strict=True)
    async with served.http.delete(f"/v1/files/{kept.id}") as response:
        FileDeleted.model_validate(await response.json(), strict=True)


async def test_the_list_comes_page_by_page_in_order_and_by_purpose(served: Served) -> None:
    ids = [(await keep(served, f"{n}.bin")).id for n in range(4)]
    seen = await keep(served, purpose="vision")
    assert [file.id async for file in served.openai.files.list(limit=2)] == [seen.id, *reversed(ids)]
    assert [file.id async for file in served.openai.files.list(limit=3, order="asc")] == [*ids, seen.id]
    assert [file.id async for file in served.openai.files.list(purpose="vision")] == [seen.id]
    for query, field in ({"limit": "0"}, "limit"), ({"limit": "x"}, "limit"), ({"order": "up"}, "order"):
        async with served.http.get("/v1/files", params=query) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, field)


async def test_a_file_lies_in_the_folder_for_its_owner_alone_under_a_name_of_ours(
    served: Served, tmp_path: Path
) -> None:
    kept = await keep(served, "../../../escaped.txt")
    assert kept.filename == "escaped.txt"
    found = sorted((tmp_path / "files").iterdir())
    assert [path.name for path in found] == [kept.id, f"{kept.id}.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700
    assert not list(tmp_path.parent.glob("**/escaped*"))


@pytest.mark.parametrize("id_", ["file-1", "..%2F..%2Fsecret", "..", "file-%00", "%2e%2e%2fsecret", f"file-{'0' * 32}"])
async def test_no_id_leads_out_of_the_folder(shared: Served, id_: str) -> None:
    (shared.config / "secret").write_text("secret")
    (shared.config / "secret.json").write_text("{}")
    for path in (f"/v1/files/{id_}", f"/v1/files/{id_}/content"):
        async with shared.http.get(path) as response:
            assert response.status == 404
            assert b"secret" not in await response.read()
    async with shared.http.delete(f"/v1/files/{id_}") as response:
        assert response.status in (404, 405)
    assert (shared.config / "secret").exists()


async def test_a_file_beyond_a_limit_is_refused_and_leaves_nothing_behind(served: Served, tmp_path: Path) -> None:
    for size, says in (1001, "files.max_bytes"), (6000, "server.max_body"):
        with pytest.raises(openai.APIStatusError, match=says) as caught:
            await keep(served, data=b"x" * size)
        assert caught.value.status_code == 413
    assert list((tmp_path / "files").iterdir()) == []
    for _ in range(2):
        await keep(served, data=b"x" * 1000)
    with pytest.raises(openai.APIStatusError, match=r"files\.max_stored") as caught:
        await keep(served, data=b"x" * 501)
    assert caught.value.status_code == 413
    assert len(list((tmp_path / "files").iterdir())) == 4


def form(**fields: Any) -> aiohttp.FormData:
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        made.add_field(name.replace("__", "[") + ("]" if "__" in name else ""), value)
    return made


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": BytesIO(DATA)}, "purpose"),
        ({"file": BytesIO(DATA), "purpose": "fun"}, "purpose"),
        ({"file": BytesIO(DATA), "purpose": "x" * 4097}, "purpose"),
        ({"purpose": "user_data"}, "file"),
        ({"file": "text", "purpose": "user_data"}, "file"),
        ({"file": BytesIO(b""), "purpose": "user_data"}, "file"),
        ({"file": BytesIO(DATA), "purpose": BytesIO(b"user_data")}, "purpose"),
        ({"file": BytesIO(DATA), "purpose": "user_data", "expires_after__seconds": "1"}, "expires_after.anchor"),
        ({"file": BytesIO(DATA), "purpose": "user_data", "expires_after": "soon"}, "expires_after"),
    ],
)
async def test_a_form_that_is_wrong_names_the_field(shared: Served, fields: dict[str, Any], param: str) -> None:
    async with shared.http.post("/v1/files", data=form(**fields)) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param)


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
FIELD = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        b"--b--\r\n",
        HEAD,
        HEAD + b"\r\nabc",
        HEAD + b"Content-Length: 99\r\n\r\nabc\r\n--b--\r\n",
        HEAD + b"Content-Length: x\r\n\r\nabc\r\n--b--\r\n",
        HEAD + b"Content-Encoding: gzip\r\n\r\nabc\r\n--b--\r\n",
        HEAD + b"Content-Transfer-Encoding: nonsense\r\n\r\nabc\r\n--b--\r\n",
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n*\r\n--b--\r\n",
        FIELD + b"Content-Type: text/plain; charset=x\r\n\r\na\r\n--b--\r\n",
        FIELD + b"\r\n\xff\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--\r\n",
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n",
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # aiohttp leaves its file to the GC
async def test_a_body_that_is_no_form_is_refused(shared: Served, body: bytes) -> None:
    for kind in ("multipart/form-data; boundary=b", "multipart/form-data"):
        async with shared.http.post("/v1/files", data=body, headers={"content-type": kind}) as response:
            assert response.status == 400, await response.text()
    assert list(shared.config.glob("files/*")) == []


async def test_only_a_form_is_taken_and_only_there(served: Served) -> None:
    async with served.http.post("/v1/files", json={}) as response:
        assert (response.status, "multipart/form-data" in await response.text()) == (415, True)
    async with served.http.post("/v1/chat/completions", data=form(a="b")) as response:
        assert response.status == 415


async def test_a_chat_names_a_stored_file_and_one_that_is_gone_by_its_field(served: Served) -> None:
    kept = await keep(served, "cat.png")
    part = {"type": "file", "file": {"file_id": kept.id}}
    async with served.post(messages=[{"role": "user", "content": [{"type": "text", "text": "A"}, part]}]) as response:
        assert response.status == 200
    (attachment,) = served.backend.requests[-1].messages[0].attachments
    assert attachment.path is not None
    assert (attachment.name, attachment.size, attachment.path.read_bytes()) == ("cat.png", len(DATA), DATA)
    assert attachment.digest == sha256(DATA).hexdigest()
    part["file"] = {"file_id": "file-gone"}
    async with served.post(messages=[{"role": "user", "content": [part]}]) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (404, "file_not_found")
    assert error["param"] == "messages[0].content[0].file.file_id"


def store(folder: Path, **limits: float) -> FileStore:
    return FileStore(folder / "files", FileSettings.model_validate(limits))


def put(files: FileStore, data: bytes = DATA, days: float | None = None) -> StoredFile:
    with closing(Upload(files)) as upload:
        upload.write(data)
        return upload.keep("a", "text/plain", "user_data", days)


def test_a_file_whose_time_is_over_is_gone_and_its_bytes_with_it(tmp_path: Path) -> None:
    files = store(tmp_path)
    old = put(files, days=1e-9)
    with pytest.raises(UnknownFile):
        files.one(old.id)
    assert files.all() == []
    kept = put(files)
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [kept.id, f"{kept.id}.json"]


def test_a_file_that_was_never_finished_is_removed_in_time(tmp_path: Path) -> None:
    files = store(tmp_path)
    kept = put(files)
    half, new = (tmp_path / "files" / f"file-{digit * 32}" for digit in "12")
    draft = half.with_name(f".{half.name}~0123")
    for path in (half, draft, new):
        path.write_bytes(b"half")
        path.touch()

    for path in (half, draft):
        os.utime(path, (0, 0))
    store(tmp_path).purge()
    names = {path.name for path in (tmp_path / "files").iterdir()}
    assert names == {kept.id, f"{kept.id}.json", new.name}


def test_no_time_that_a_client_asks_for_is_longer_than_the_settings_say(tmp_path: Path) -> None:
    kept = put(store(tmp_path, max_age=1), days=30)
    assert kept.expires - kept.created == pytest.approx(DAY)


def test_what_is_too_large_is_not_even_written(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        put(store(tmp_path, max_bytes=10), b"x" * 11)
    assert list((tmp_path / "files").iterdir()) == []
