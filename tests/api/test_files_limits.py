"""Stored files cost neither memory nor time beyond their limits, whatever is sent; a full disk is said to be full."""

from __future__ import annotations

import asyncio
import json
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.chat.types import Attachment
from bridge.errors import FileTooLarge, StorageError, UnknownFile
from bridge.pool.error_policy import transition
from bridge.settings import MEBIBYTE, FileSettings, ServerSettings
from bridge.sites.prompt_files import on_disk
from bridge.storage.file_store import FileStore, StoredFile, Upload
from tests.support.fake_backend import Served, serving
from tests.support.full_disk import full_disk
from tests.support.waiting import LIMIT, until

SIZE = 16 * MEBIBYTE


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(ServerSettings(), files=FileSettings(folder=tmp_path / "files")) as running:
        yield running


@contextmanager
def peak(most: float) -> Iterator[None]:
    """Fail where more than `most` bytes of memory are taken at a time."""
    tracemalloc.start()
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < most, f"{taken / MEBIBYTE:.0f} MiB"


def form(data: Any, name: str = "a.bin", purpose: str = "user_data") -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False)
    data = BytesIO(data) if isinstance(data, bytes) else data
    made.add_field("purpose", purpose)
    made.add_field("file", data, filename=name, content_type="application/octet-stream")
    return made


async def kept(served: Served, data: Any, name: str = "a.bin") -> tuple[int, dict[str, Any]]:
    async with served.http.post("/v1/files", data=form(data, name)) as response:
        return response.status, json.loads(await response.read())


@pytest.mark.slow
async def test_a_large_file_goes_to_disk_and_back_without_being_in_memory(served: Served, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(1024) * (SIZE // 1024))
    with peak(SIZE / 4), (tmp_path / "large").open("rb") as source:
        status, body = await kept(served, source)
        assert (status, body["bytes"]) == (200, SIZE)
        size = 0
        async with served.http.get(f"/v1/files/{body['id']}/content") as response:
            async for chunk in response.content.iter_any():
                size += len(chunk)
        assert size == SIZE
    assert (tmp_path / "files" / body["id"]).read_bytes() == (tmp_path / "large").read_bytes()


@pytest.mark.slow
async def test_a_file_that_a_chat_names_a_hundred_and_fifty_times_is_not_loaded(served: Served) -> None:
    _, body = await kept(served, b"x" * SIZE)
    part = {"type": "file", "file": {"file_id": body["id"]}}
    with peak(SIZE / 4):
        async with served.post(messages=[{"role": "user", "content": [part] * 150}]) as response:
            assert response.status == 200
    (message,) = served.backend.requests[-1].messages
    assert sum(attachment.size for attachment in message.attachments) == 150 * SIZE


def store(folder: Path, **limits: float) -> FileStore:
    return FileStore(folder / "files", FileSettings.model_validate(limits))


def put(files: FileStore, data: bytes = b"data") -> StoredFile:
    with closing(Upload(files)) as upload:
        upload.write(data)
        return upload.keep("a", "text/plain", "user_data")


def test_two_files_that_arrive_at_once_are_not_given_the_same_room(tmp_path: Path) -> None:
    files = store(tmp_path, max_stored=1500)
    with closing(Upload(files)) as first, closing(Upload(files)) as second:
        first.write(b"x" * 1000)
        with pytest.raises(FileTooLarge, match=r"files\.max_stored"):
            second.write(b"x" * 1000)
        second.close()
        first.keep("a", "text/plain", "user_data")
    assert [file.size for file in files.all()] == [1000]
    with pytest.raises(FileTooLarge, match=r"files\.max_stored"):
        put(files, b"x" * 501)
    put(files, b"x" * 500)


def test_the_room_of_a_file_that_did_not_arrive_or_was_deleted_is_free_again(tmp_path: Path) -> None:
    files = store(tmp_path, max_stored=1000, max_files=2)
    for _ in range(5):
        with closing(Upload(files)) as upload:
            upload.write(b"x" * 1000)
    assert list((tmp_path / "files").iterdir()) == []
    for _ in range(5):
        files.delete(put(files, b"x" * 1000).id)
    put(files, b"x" * 1000)


def test_stored_files_are_limited_in_number_those_that_still_arrive_included(tmp_path: Path) -> None:
    files = store(tmp_path, max_files=2)
    first = put(files)
    with closing(Upload(files)) as arriving:
        arriving.write(b"x")
        with pytest.raises(FileTooLarge, match=r"at most 2 files \(files\.max_files\)"):
            put(files)
    put(files)
    with pytest.raises(FileTooLarge, match=r"files\.max_files"):
        put(store(tmp_path, max_files=2))
    files.delete(first.id)
    put(files)


def test_a_store_knows_after_a_restart_what_it_knew_before(tmp_path: Path) -> None:
    files = store(tmp_path)
    known = [put(files, b"x" * size) for size in (1, 2, 3)]
    assert store(tmp_path).all() == files.all() == known[::-1]
    about = tmp_path / "files" / f"{known[0].id}.json"
    about.write_text(json.dumps({**known[0].model_dump(), "digest": ""}))
    assert store(tmp_path).one(known[0].id) == known[0]


def spent(work: Callable[[], object], tries: int = 5) -> float:
    """Return how many seconds of the processor `work` takes at best."""

    def once() -> float:
        begun = time.thread_time()
        work()
        return time.thread_time() - begun

    return min(once() for _ in range(tries))


def filled(folder: Path, count: int) -> FileStore:
    """Return a store that holds so many files."""
    about = put(store(folder)).model_dump()
    for number in range(1, count):
        id_ = f"file-{number:032x}"
        (folder / "files" / id_).write_bytes(b"data")
        (folder / "files" / f"{id_}.json").write_text(json.dumps({**about, "id": id_}))
    return store(folder)


def costs(folder: Path, count: int) -> dict[str, float]:
    """Return what a store costs that holds so many files."""
    files = filled(folder, count)
    id_ = put(files).id
    assert len(files.all()) == count + 1
    return {"put": spent(lambda: put(files)), "one": spent(lambda: files.one(id_)), "all": spent(files.all)}


@pytest.mark.slow
def test_keeping_and_finding_a_file_takes_no_longer_among_many_and_listing_grows_as_they_do(tmp_path: Path) -> None:
    few, many = costs(tmp_path / "few", 50), costs(tmp_path / "many", 800)
    assert many["put"] < 4 * few["put"] + 0.001
    assert many["one"] < 4 * few["one"] + 0.001
    assert many["all"] < 32 * few["all"] + 0.001


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("a\u202efdp.exe", "a_fdp.exe"),
        ("a\u2028b\u200b\u00ad.txt", "a_b__.txt"),
        ("..\\..\\a.txt", "a.txt"),
        ("/etc/passwd/", "passwd.bin"),
        ("x" * 4000 + ".txt", "x" * 197 + ".txt"),
        ("报" * 300 + ".txt", "报" * 65 + ".txt"),
        (" . ", "file.bin"),
        ("http://[", "[.bin"),
    ],
)
async def test_a_name_that_no_page_or_disk_could_take_becomes_one_that_they_can(
    served: Served, name: str, becomes: str
) -> None:
    status, body = await kept(served, b"data", name)
    assert (status, body["filename"]) == (200, becomes)
    part = {"type": "file", "file": {"file_data": "ZGF0YQ==", "filename": name}}
    async with served.post(messages=[{"role": "user", "content": [part]}]) as response:
        assert response.status == 200
    (attachment,) = served.backend.requests[-1].messages[0].attachments
    assert attachment.name.partition(".")[0].startswith(becomes.partition(".")[0])
    async with on_disk((attachment,)) as (path,):
        assert path.read_bytes() == b"data"


P = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n%s\r\nabc\r\n'
END = b"--b--\r\n"


@pytest.mark.parametrize(
    "body",
    {
        "a NUL in the name": P + FILE % (b"a\0b", b"") + END,
        "a name of 10,000 characters": P + FILE % (b"a" * 10_000, b"") + END,
        "two files": P + FILE % (b"a", b"") + FILE % (b"b", b"") + END,
        "thousands of parts": FILE.replace(b'"file"; filename', b'"x"; y') % (b"1", b"") * 5000 + P + END,
        "thousands of headers": P + FILE % (b"a", b"X: 1\r\n" * 5000) + END,
        "a giant header": P + FILE % (b"a", b"X: " + b"1" * 200_000 + b"\r\n") + END,
        "a line that is no header": P + FILE % (b"a", b"no colon\r\n") + END,
        "a field of megabytes": P.replace(b"user_data", b"u" * 5_000_000) + FILE % (b"a", b"") + END,
        "an unknown encoding": P + FILE % (b"a", b"Content-Transfer-Encoding: rot13\r\n") + END,
        "a default of no encoding": P.replace(b"purpose", b"_charset_") + P + FILE % (b"a", b"") + END,
    }.items(),
    ids=lambda item: item[0],
)
async def test_a_form_that_is_no_good_is_a_bad_request_and_leaves_nothing(
    shared: Served, body: tuple[str, bytes]
) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with peak(24 * MEBIBYTE):
        async with shared.http.post("/v1/files", data=BytesIO(body[1]), headers=headers) as response:
            told = json.loads(await response.read())
    assert (response.status, set(told["error"])) == (400, {"message", "type", "param", "code"})
    assert list(shared.config.glob("files/*")) == []


async def test_a_full_disk_is_a_507_that_leaves_nothing_and_ends_with_the_lack_of_room(
    served: Served, tmp_path: Path
) -> None:
    with full_disk():
        for size in (5_000, 300_000):
            status, body = await kept(served, b"x" * size)
            assert (status, body["error"]["code"]) == (507, "storage_error")
            assert "too large" in body["error"]["message"]
        assert (await kept(served, b"x"))[0] == 200
    assert len(list((tmp_path / "files").iterdir())) == 2
    assert (await kept(served, b"x" * 5_000))[0] == 200


async def test_a_full_disk_ends_a_chat_with_files_and_harms_no_account() -> None:
    with full_disk(), pytest.raises(StorageError, match="too large") as caught:
        async with on_disk((Attachment("a.bin", "text/plain", b"x" * 5000),)):
            pass
    assert transition(caught.value) is None


async def test_a_stored_file_that_is_deleted_while_its_chat_waits_is_named(tmp_path: Path) -> None:
    files = store(tmp_path)
    file = put(files)
    waiting = Attachment("a.txt", "text/plain", b"", "messages[0]", files.path(file.id), file.size, file.digest)
    async with on_disk((waiting,)) as (path,):
        assert path.read_bytes() == b"data"
    files.delete(file.id)
    with pytest.raises(UnknownFile, match=r"'a\.txt' was deleted") as caught:
        async with on_disk((waiting,)):
            pass
    assert caught.value.param == "messages[0]"


async def test_a_client_that_leaves_in_mid_upload_leaves_no_file_and_no_reserved_room(
    served: Served, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536
            if any((tmp_path / "files").glob(".file-*")):
                arrived.set()
                await asyncio.Event().wait()

    async def upload() -> None:
        async with served.http.post("/v1/files", data=form(endless())):
            pass

    async with asyncio.TaskGroup() as tasks:
        uploading = tasks.create_task(upload())
        async with asyncio.timeout(LIMIT):
            await arrived.wait()
            uploading.cancel()
            await until(lambda: not any((tmp_path / "files").iterdir()))
    assert (await kept(served, b"x"))[0] == 200
