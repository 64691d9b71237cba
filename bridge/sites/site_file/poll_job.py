"""Follows a job of the site whose state the page polls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.errors import SiteError
from bridge.sites.http_refusals import quote
from bridge.sites.site_file.conditions import compile_when
from bridge.sites.site_file.json_paths import JsonPath, as_id
from bridge.sites.site_file.wire_schema import Poll


class PollJob:
    """The job of one turn: first its id, then its states."""

    def __init__(self, poll: Poll) -> None:
        self._job = JsonPath(poll.job)
        self._record = JsonPath(poll.record)
        self._done = compile_when(poll.done)
        self._failed = compile_when(poll.failed) if poll.failed else None
        self._message = JsonPath(poll.message) if poll.message else None
        self._media = JsonPath(poll.media) if poll.media else None
        self._count = JsonPath(poll.count) if poll.count else None
        self.id = ""
        """The job's id, empty until the site has assigned it."""

    def read_id(self, document: Any, variables: Mapping[str, Any]) -> bool:
        """Read the job's id from a response to the prompt; tell whether it was there."""
        found = as_id(self._job.first(document, variables))
        self.id = self.id or found
        return bool(found)

    def result(self, document: Any, variables: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the addresses of the media once the job is done; raise a `SiteError` if it has failed.

        A job in an unknown state counts as running.
        """
        record = self._record.first(document, {**variables, "$job": self.id}) if self.id else None
        if record is None:
            return None
        if self._failed and self._failed(record, variables):
            said = self._message.first(record, variables) if self._message else None
            raise SiteError(f"The site could not generate the image: {quote(said) or 'it does not say why'}")
        if not self._done(record, variables):
            return None
        media = [url for url in self._media.values(record, variables) if isinstance(url, str)] if self._media else []
        count = self._count.first(record, variables) if self._count else None
        wanted = max(1, count) if isinstance(count, int) else 1
        return media if len(media) >= wanted else None
