"""The settings of chats and files on an account's page, and the group of all settings for such a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from bridge.browser_settings import BrowserSettings
from bridge.data_folders import DataFolders
from bridge.setting_types import MEBIBYTE, Seconds, Section, UserPath


class TurnSettings(Section):
    """The time limits of the steps of one chat."""

    ready: Seconds = Field(30.0, description="seconds until the page is loaded, signed in and accepts a prompt")
    submit: Seconds = Field(15.0, description="seconds from the filled composer to the request of a page at rest")
    first_byte: Seconds = Field(
        60.0, description="seconds to the first byte of the answer, and to the request of a page at work"
    )
    silence: Seconds = Field(60.0, description="seconds without a single byte in mid-answer, heartbeats included")
    continues: int = Field(3, ge=0, description="times that an answer is continued that broke off at its length limit")
    upload: Seconds = Field(
        120.0, description="seconds until the site has received and processed the files of a prompt"
    )
    total: Seconds = Field(1800.0, description="seconds that one answer may take")
    end: Seconds = Field(
        2.0, description="seconds in which the site may end its response by itself after an answer or a refusal"
    )
    stop: Seconds = Field(10.0, description="seconds that the site has to stop generating; then the page is reopened")


class FileSettings(Section):
    """Files and images of prompts, and stored files."""

    max_bytes: int = Field(
        24 * MEBIBYTE, gt=0, le=100 * MEBIBYTE, description="largest file in bytes; `server.max_body` also applies"
    )
    max_prompt_bytes: int = Field(
        48 * MEBIBYTE, gt=0, description="bytes that all files of one prompt may have together"
    )
    max_prompt_files: int = Field(50, gt=0, le=50, description="files that one prompt may have")
    prompt_limit: int | None = Field(
        None, gt=0, description="characters that a prompt may have; empty: the limit of the site's driver"
    )
    long_prompts: Literal["refuse", "attach"] = Field(
        "refuse", description="handling of a longer prompt: an error, or a text file with a short prompt"
    )
    urls: bool = Field(False, description="fetch files that a request names by http(s) URL, from public hosts only")
    url_limit: Seconds = Field(20.0, description="seconds that fetching the files of one request may take")
    folder: UserPath | None = Field(None, description="folder of stored files; empty: `files` in the `config` folder")
    max_stored: int = Field(1024 * MEBIBYTE, gt=0, description="bytes that all stored files may have together")
    max_files: int = Field(1000, gt=0, le=10_000, description="files that may be stored at a time")
    max_age: float = Field(30.0, gt=0, description="days after which a stored file is deleted")


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The settings for an account's page.

    The sections are those of the `Settings` object itself, so reloaded settings apply here, too.
    """

    browser: BrowserSettings
    turn: TurnSettings
    files: FileSettings
    folders: DataFolders
