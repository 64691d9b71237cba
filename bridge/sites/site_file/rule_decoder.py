"""Turns the responses of one turn into events by the rules of a site file.

Each frame passes these steps: a repeated one, or one for another tab, is dropped; a refusal ends the turn, an end
marker the answer; then all rules are tried. The end of an answer takes effect after all frames of the same bytes,
since a refusal may follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent
from bridge.errors import BridgeError, NoAnswer, SiteError
from bridge.sites.answer_decoder import DeferredErrorDecoder
from bridge.sites.drift import Drift
from bridge.sites.http_refusals import block_page
from bridge.sites.site_file.answer_state import AnswerState
from bridge.sites.site_file.channel import Channel
from bridge.sites.site_file.framing import STREAM_END
from bridge.sites.site_file.json_paths import JsonPath, as_id
from bridge.sites.site_file.poll_job import PollJob
from bridge.sites.site_file.refusal_rules import (
    RefusalRules,
    refused,
    refused_at_stream_end,
    refused_by_words,
    refused_without_rule,
)
from bridge.sites.site_file.rules import Match, RuleSet
from bridge.sites.site_file.schema import SiteFile
from bridge.sites.site_file.sent_messages import SentMessages, is_at_call
from bridge.sites.site_file.wire_schema import Refusal

BODY_LIMIT = 2.0
"""Seconds to wait for the body of a refusal before only its HTTP status counts."""
PAGE_LIMIT = 15.0
"""Seconds after which a response labelled as a web page, of which no byte has come, counts as one."""
EMPTY_END_LIMIT = 30.0
"""Seconds after which an end without an answer counts, on a channel that other chats share: it may belong to the
previous chat, whose last frames came after the prompt was sent."""
_MOST_NAMES = 4
"""The most keys of an unknown frame that its shape includes."""


def _now() -> datetime:
    return datetime.now(UTC)


class AnswerRules:
    """The part of a site file about answers, compiled once for all turns."""

    def __init__(self, site: SiteFile) -> None:
        self.site = site
        self.answer = site.answer
        self.rules = RuleSet(site.answer.rules, site.refusals)
        self.refusals = RefusalRules(site)
        self.number = _path(site.answer.dedupe)
        self.is_for = _path(site.answer.is_for)
        self.is_for_request = _path(site.answer.is_for_request)
        self.end_markers = frozenset(site.answer.end_markers)
        self.sent = SentMessages(site.request)
        self.is_shared = site.shares_channel

    def role_of(self, response: PageResponse) -> Literal["answer", "poll", "aside"]:
        """Return the role of a response of a turn, by its address."""
        if self.site.poll and is_at_call(self.site.poll.call, response.url):
            return "poll"
        call = self.answer.call
        return "answer" if call is None or is_at_call(call, response.url) else "aside"

    @property
    def is_single(self) -> bool:
        """Tell whether a turn has only one response, whose end must be the end of the answer."""
        return not (self.answer.call or self.site.poll)


class RuleDecoder(DeferredErrorDecoder):
    """The decoder of one turn by the rules of a site file (see `Decoder`)."""

    def __init__(self, rules: AnswerRules, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self._rules = rules
        self._now = now
        self._drift = Drift()
        self._state = AnswerState(rules.answer, self._drift)
        self._job = PollJob(rules.site.poll) if rules.site.poll else None
        self._channels: dict[int, Channel] = {}
        self._channel: Channel | None = None
        self._is_over = False
        self._had_empty_end = False
        self._may_drop = rules.number is not None or rules.is_for is not None
        self._wanted = ""
        self._unread: BridgeError | None = None
        """The error of a refusal by its status or type alone: many pages never read its body, which then never ends."""
        self._unread_limit = BODY_LIMIT
        self._last_number: int | float | None = None

    @property
    def drift(self) -> Mapping[str, int]:
        return self._drift

    @property
    def patience(self) -> float | None:
        """Return the seconds in which an error may follow the end, or a refusal's body may come."""
        if (due := super().patience) is not None:
            return due
        if self._unread is not None:
            return self._unread_limit
        if self._state.reason is not None:
            return None if self._is_over else self._rules.answer.then_wait
        return EMPTY_END_LIMIT if self._had_empty_end and not self._has_words else None

    @property
    def _has_words(self) -> bool:
        return bool(self._state.length or self._state.thought or self._state.said)

    def sent(self, request: PageRequest) -> None:
        """Record the id in the prompt's request: it tells the turn's frames from those of other tabs."""
        if path := self._rules.is_for_request:
            self._wanted = as_id(path.first(*self._rules.sent.prompt(request)))

    def begin(self, response: PageResponse) -> None:
        """Start a response; if its status is an error and its body may say more, raise only at its end."""
        self._raise_failure()
        channel = Channel(response, self._rules.answer, self._rules.role_of(response), self._now())
        self._channels[response.number] = self._channel = channel
        self._unread = None  # left from an earlier send, if the page repeats its prompt
        if channel.refusal:
            self._unread = self._rules.refusals.by_status(response.status) or channel.refusal
            if response.content_type != "application/json":
                raise self._unread
            self._unread_limit = BODY_LIMIT
        elif channel.is_said_to_be_page:
            self._unread, self._unread_limit = block_page(), PAGE_LIMIT

    def select(self, response: PageResponse) -> None:
        self._channel = self._channels.get(response.number)

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        self._raise_failure()
        if self._channel is not None:
            if data and self._channel.refusal is None:
                self._unread = None
            self._handle_all(self._channel, self._channel.feed(data))
        return self._events()

    def end(self) -> Sequence[ChatEvent]:
        self._raise_failure()
        self._unread = None
        channel, self._channel = self._channel, None
        if channel is not None:
            self._channels.pop(channel.response.number, None)
            self._handle_all(channel, channel.end())
            if channel.role == "answer" and not (channel.is_one_of_many or self._failure or self._is_over):
                self._close(channel)
        return self._events()

    def expired(self) -> Sequence[ChatEvent]:
        """Return the last events, or raise the pending error, after `patience` has passed."""
        self._raise_failure()
        if self._unread is not None:
            raise self._unread
        self._state.reason = self._state.reason or "stop"
        self._conclude()
        return self._events()

    # Frames

    def _handle_all(self, channel: Channel, documents: Iterator[Any]) -> None:
        try:
            for document in documents:
                self._handle(channel, document)
                if self._failure:
                    return
        except BridgeError as error:
            self._failure = error
            return
        if self._state.reason is not None and not self._rules.answer.then_wait:
            self._conclude()

    def _handle(self, channel: Channel, document: Any) -> None:
        variables = channel.variables
        if self._may_drop and self._is_dropped(document):
            return
        matches = self._rules.rules.matches(document, variables)
        if matches and isinstance(matches[0], Refusal):  # refusals come first
            self._refuse(refused(matches[0], document, variables))
        elif channel.is_expected and variables["$event"] != STREAM_END:
            if self._state.reason is None:
                self._apply(channel, document, matches)
                self._doubt_early_end()
        elif implied := self._implied(channel, document):
            self._refuse(implied)

    def _implied(self, channel: Channel, document: Any) -> BridgeError | None:
        """Return the error that a frame means by its response or position, if no refusal of the site file matches."""
        if channel.refusal is not None:
            known = self._rules.refusals.by_status(channel.response.status, document)
            return known or refused_by_words(channel.refusal, document)
        if channel.role == "stray":
            return refused_without_rule(document)
        return refused_at_stream_end(document)

    def _apply(self, channel: Channel, document: Any, matches: Sequence[Refusal | Match]) -> None:
        variables = channel.variables
        if variables["$payload"] in self._rules.end_markers:
            self._state.reason = "stop"
            return
        if self._job is not None and self._follow_job(self._job, channel, document, variables):
            return
        for match in matches:
            if isinstance(match, Match):
                self._state.apply(match)
        if not matches and channel.role == "answer":
            self._note(document, variables["$event"])

    def _doubt_early_end(self) -> None:
        """Undo an end without an answer if it may belong to the previous chat."""
        if self._rules.is_shared and self._state.reason == "stop" and not self._has_words:
            self._state.reason, self._had_empty_end = None, True

    def _follow_job(self, job: PollJob, channel: Channel, document: Any, variables: dict[str, Any]) -> bool:
        if channel.role != "poll":
            return job.read_id(document, variables)
        media = job.result(document, variables)
        if media is not None:
            self._state.show_images(media)
            self._state.reason = "stop"
        return True

    def _is_dropped(self, document: Any) -> bool:
        """Tell whether a frame is a repetition, or is for another tab."""
        if (path := self._rules.number) is not None:
            number = path.first(document)
            if isinstance(number, int | float) and not isinstance(number, bool):
                if self._last_number is not None and number <= self._last_number:
                    return True
                self._last_number = number
        if (path := self._rules.is_for) is not None and self._wanted:
            found = path.first(document)
            return found is not None and as_id(found) != self._wanted
        return False

    def _note(self, document: Any, event: str) -> None:
        names = () if event == "message" else (event,)
        if isinstance(document, dict):
            self._drift.note("frame", *names, *list(document)[:_MOST_NAMES])
        else:
            self._drift.note("payload" if document is None else "frame", *names)

    # Ends

    def _close(self, channel: Channel) -> None:
        """Conclude an answer whose response has ended, or set the error if it was cut."""
        state = self._state
        if state.reason is None and not self._rules.answer.ends_on_close:
            if self._has_words:
                message = f"The site's stream was cut after {state.length} characters of the answer."
                self._failure = SiteError(message)
            elif self._rules.is_single:
                what = "answered with an empty body" if channel.is_empty else "ended its stream before it answered"
                self._failure = SiteError(f"The site {what}.")
            return
        state.reason = state.reason or "stop"
        self._conclude()

    def _conclude(self) -> None:
        """Emit the end of an answer, or set the error if there is no answer."""
        state = self._state
        if self._is_over or state.reason is None or self._failure:
            return
        self._is_over = True
        state.release()
        if state.said or state.reason == "content_filter" or (state.reason == "length" and state.thought):
            state.finish(state.reason)
        elif state.thought:
            self._failure = NoAnswer("The site finished after thinking, without an answer.")
        else:
            self._failure = SiteError("The site finished without an answer.")

    def _refuse(self, refusal: BridgeError) -> None:
        is_answered = self._state.reason is not None and self._state.said
        if self._is_over or (is_answered and not self._rules.answer.then_wait):
            self._drift.note("refusal after the end")
        else:
            self._failure = refusal

    def _events(self) -> Sequence[ChatEvent]:
        return self._events_first(self._state.events())


def _path(text: str | None) -> JsonPath | None:
    return None if text is None else JsonPath(text)
