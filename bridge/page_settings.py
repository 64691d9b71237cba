"""The settings of what happens on an account's page, and the group of all that such a page is worked by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from bridge.browser_settings import BrowserSettings
from bridge.data_folders import DataFolders
from bridge.setting_types import MEBIBYTE, Seconds, Section, UserPath


class TurnSettings(Section):
    """How long each step of one chat may take."""

    ready: Seconds = Field(30.0, description="seconds until the page is loaded, signed in and takes a prompt")
    submit: Seconds = Field(15.0, description="seconds from the filled composer to the request of a page at rest")
    first_byte: Seconds = Field(
        60.0, description="seconds to the first byte of the answer, and to the request of a page at work"
    )
    silence: Seconds = Field(60.0, description="seconds without a single byte in mid-answer, heartbeats included")
    continues: int = Field(3, ge=0, description="how often an answer that broke off at its budget is continued")
    upload: Seconds = Field(120.0, description="seconds until the site has taken and read the files of a prompt")
    total: Seconds = Field(1800.0, description="seconds that one answer may take")
    end: Seconds = Field(
        2.0, description="seconds in which the site may end its response by itself, behind an answer or a refusal"
    )
    stop: Seconds = Field(10.0, description="seconds until a stopped page has really stopped; then it is reopened")


class FileSettings(Section):
    """Files and images that come with prompts, and those that are kept here."""

    max_bytes: int = Field(
        24 * MEBIBYTE, gt=0, le=100 * MEBIBYTE, description="largest file in bytes; `server.max_body` bounds it, too"
    )
    max_prompt_bytes: int = Field(
        48 * MEBIBYTE, gt=0, description="bytes that all files of one prompt may have together"
    )
    max_prompt_files: int = Field(50, gt=0, le=50, description="files that one prompt may have")
    prompt_limit: int | None = Field(
        None, gt=0, description="characters that a prompt may have; empty: as the site's driver says"
    )
    long_prompts: Literal["refuse", "attach"] = Field(
        "refuse", description="what becomes of a longer prompt: an error, or a text file beside a short prompt"
    )
    urls: bool = Field(False, description="fetch files that a request names by http(s) address, from public hosts only")
    url_limit: Seconds = Field(20.0, description="seconds that fetching the files of one request may take")
    folder: UserPath | None = Field(None, description="folder of stored files; empty: `files` in the `config` folder")
    max_stored: int = Field(1024 * MEBIBYTE, gt=0, description="bytes that all stored files may have together")
    max_files: int = Field(1000, gt=0, le=10_000, description="files that may be stored at a time")
    max_age: float = Field(30.0, gt=0, description="days after which a stored file is deleted")


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What an account's page is opened and worked by.

    The sections are those of the `Settings` themselves, so what is read again while the bridge runs counts here, too.
    """

    browser: BrowserSettings
    turn: TurnSettings
    files: FileSettings
    folders: DataFolders
