"""A history that an account has had goes on there; anything else begins anew with all of it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from bridge.api.history_turns import Turn, write_messages
from bridge.background import PIECE
from bridge.chat.history_digests import digest
from bridge.chat.prompt import AGAIN
from bridge.chat.types import (
    Attachment,
    ChatEvent,
    ChatRequest,
    Finish,
    Message,
    Model,
    Opened,
    Role,
    Text,
    Thinking,
)
from bridge.errors import BridgeError, RequestError, SetupError, SiteError, StorageError, UnknownConversation
from bridge.settings import ConversationSettings, FileSettings
from bridge.sites.deepseek.driver import Driver
from bridge.storage.conversation_file import VERSION, ConversationPosition
from bridge.storage.conversation_tokens import new_messages
from bridge.storage.conversations import ConversationRecorder, Conversations
from bridge.worker.turn_plan import fitted, turns_of
from tests.storage.conftest import OpenFile, conversation_file

MODEL = Model("deepseek-chat")
PLACE = ConversationPosition("alice", "c-1", "2")
ALL = ("alice", "bob")
HELLO = (Message("system", "Be brief."), Message("user", "Hello"))
ANSWER = "Hi!\n\nHow *are* you?"


def request(*messages: Message, conversation: str | None = None) -> ChatRequest:
    return ChatRequest("r", MODEL, messages, conversation)


def said(role: Role, text: str) -> Message:
    return Message(role, text)


def test_a_known_history_with_something_new_goes_on_where_it_is(opened: OpenFile) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) == PLACE


def test_only_the_accounts_of_the_chat_are_looked_at(opened: OpenFile) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    conversations.remember(ConversationPosition("bob", "c-9", "2"), HELLO, ANSWER)
    longer = request(*HELLO, said("assistant", ANSWER), said("user", "Fine."))
    assert conversations.find(longer, ["alice"]) == PLACE
    assert (conversations.find(longer, ["carol"]), conversations.find(longer, [])) == (None, None)
    with pytest.raises(UnknownConversation, match="No account here"):
        conversations.find(request(said("user", "Fine."), conversation=PLACE.id), ["bob"])


@pytest.mark.parametrize(
    "returned",
    [
        "Hi! How *are* you?  ",
        "\n Hi!\r\n\r\nHow *are* you?\n",
        "<details>\n<summary>Thinking</summary>\n\nHm.\n\n</details>\n\nHi!\n\nHow *are* you?",
        "<think>Hm.</think>Hi!\n\nHow *are* you?",
        "Hi!\n\nHow *are* you?\n\n**Sources**\n\n- [1] [Title](https://example.com)",
        "Hi![citation:1]\n\nHow *are* you?[citation:2]",
        "Hi![citation:1, 2]\n\nHow *are* you?[citation: 3 ]",
        "Hi![[1]](https://example.com/a_b)\n\nHow *are* you?[[20]](https://example.com/?c=d)",
    ],
)
def test_what_clients_and_decorations_change_about_an_answer_does_not_matter(opened: OpenFile, returned: str) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*HELLO, said("assistant", returned), said("user", "Fine.")), ALL) == PLACE


@pytest.mark.parametrize("link", ["[[1]](https://en.wikipedia.org/wiki/Sky)", "[citation:1]", "[reference:2]"])
def test_what_the_model_itself_writes_like_a_citation_does_not_end_the_conversation(
    opened: OpenFile, link: str
) -> None:
    """The histories of clients have marks in the place of links, which no answer of a model without a search has."""
    conversations, answer = opened(), f"It is blue. {link} Why?"
    conversations.remember(PLACE, HELLO, answer)
    returned = write_messages([Turn("assistant", answer)])
    assert conversations.find(request(*HELLO, *returned, said("user", "So?")), ALL) == PLACE


def test_an_answer_in_two_messages_is_the_same_as_in_one(opened: OpenFile) -> None:
    conversations = opened()
    conversations.remember(PLACE, [*HELLO, said("assistant", "Hi!\n\nHow *a")], "re* you?")
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) == PLACE


def test_the_beginning_of_an_answer_at_the_end_is_new(opened: OpenFile) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    begun = request(*HELLO, said("assistant", ANSWER), said("user", "Count."), said("assistant", "One,"))
    assert conversations.find(begun, ALL) == PLACE
    turn, whole = turns_of(begun, PLACE, Driver, FileSettings())
    assert "Count." in turn.prompt
    assert "One," in turn.prompt
    assert ANSWER not in turn.prompt
    assert ANSWER in whole.prompt


def with_file(role: Role, text: str, *names: str, size: int = 1) -> Message:
    return Message(role, text, tuple(Attachment(name, "text/plain", name.encode() * size) for name in names))


HISTORY = (with_file("user", "Look.", "a", "b"), said("assistant", "Yes."), with_file("tool", "", "c"))
LAST = (said("assistant", "So."), with_file("user", "And now?", "d"))


@pytest.mark.parametrize("place", [None, PLACE])
@pytest.mark.parametrize(
    ("limits", "names", "left_out"),
    [
        ({"max_prompt_files": 4}, "abcd", 0),
        ({"max_prompt_files": 3}, "bcd", 1),
        ({"max_prompt_files": 1}, "d", 3),
        ({"max_prompt_bytes": 3}, "bcd", 1),
        ({"max_prompt_files": 4, "prompt_limit": 100, "long_prompts": "attach"}, "bcd", 1),
    ],
)
def test_the_oldest_files_of_a_history_are_left_out_where_they_are_too_many(
    place: ConversationPosition | None, limits: dict[str, Any], names: str, left_out: int
) -> None:
    long = said("assistant", "x" * (100 if "prompt_limit" in limits else 0))
    settings = FileSettings.model_validate(limits)
    *_, whole = turns_of(request(*HISTORY, long, *LAST), place, Driver, settings)
    assert "".join(file.name for file in whole.attachments) == names
    assert whole.prompt.count("[file left out]") == left_out
    fitted(whole, Driver, settings)


def test_what_the_user_says_now_may_not_have_too_many_files() -> None:
    settings = FileSettings(max_prompt_files=2)
    (turn,) = turns_of(request(with_file("user", "Look.", "a", "b", "c")), None, Driver, settings)
    with pytest.raises(RequestError, match="3 files, and may have 2"):
        fitted(turn, Driver, settings)


RULES = "You are an agent. Work in small steps.\nNever delete a file.\nThe time is {time}. Be brief."


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (RULES.format(time="12:00"), RULES.format(time="12:01"), "The time is 12:01. Be brief."),
        (RULES.format(time="12:00"), RULES.format(time="12:00") + "\nMind the tests.", "Mind the tests."),
        (RULES.format(time="12:00"), "\n\n" + RULES.format(time="12:00").replace(" ", "  "), ""),
    ],
)
def test_a_changed_line_of_the_system_text_is_told_in_the_conversation(
    opened: OpenFile, before: str, now: str, told: str
) -> None:
    conversations = opened()
    conversations.remember(PLACE, [said("system", before), HELLO[1]], ANSWER)
    longer = request(said("system", now), HELLO[1], said("assistant", ANSWER), said("user", "Fine."))
    place = conversations.find(longer, ALL)
    assert place == replace(PLACE, news=told)
    prompt = turns_of(longer, place, Driver, FileSettings())[0].prompt
    assert ("Never delete" in prompt, told in prompt, prompt == "Fine.") == (False, True, not told)
    conversations.remember(place, longer.messages, "Good.")
    further = request(*longer.messages, said("assistant", "Good."), said("user", "Bye."))
    assert conversations.find(further, ALL) == PLACE


@pytest.mark.parametrize(
    "now",
    [
        RULES.format(time="12:00").replace("Never delete a file.\n", ""),
        "You are a pirate. Talk like one.\nNever delete a file.",
        "",
    ],
)
def test_a_system_text_that_lost_a_line_or_is_another_one_begins_anew(opened: OpenFile, now: str) -> None:
    conversations = opened()
    conversations.remember(PLACE, [said("system", RULES.format(time="12:00")), HELLO[1]], ANSWER)
    history = [said("system", now), HELLO[1], said("assistant", ANSWER), said("user", "Fine.")]
    assert conversations.find(request(*history[not now :]), ALL) is None


def test_by_setting_any_change_of_the_system_text_begins_anew(opened: OpenFile) -> None:
    conversations = opened(system_changes="restart")
    conversations.remember(PLACE, [said("system", RULES.format(time="12:00")), HELLO[1]], ANSWER)
    rest = (HELLO[1], said("assistant", ANSWER), said("user", "Fine."))
    assert conversations.find(request(said("system", RULES.format(time="12:01")), *rest), ALL) is None
    assert conversations.find(request(said("system", RULES.format(time="12:00")), *rest), ALL) == PLACE


def test_a_history_that_no_page_takes_is_not_looked_for(opened: OpenFile) -> None:
    conversations = opened()
    long = [said("user", "x" * 3_000_001)]
    conversations.remember(PLACE, long, ANSWER)
    assert conversations.find(request(*long, said("assistant", ANSWER), said("user", "Fine.")), ALL) is None


def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path, opened: OpenFile) -> None:
    with sqlite3.connect(tmp_path / "conversations.db") as database:
        database.execute(
            "CREATE TABLE conversation (id TEXT PRIMARY KEY, account TEXT NOT NULL, message TEXT NOT NULL,"
            " history BLOB NOT NULL, used REAL NOT NULL) STRICT"
        )
    database.close()
    with sqlite3.connect(tmp_path / "conversations.db") as database:
        database.execute("INSERT INTO conversation VALUES ('c-1', 'alice', '2', x'00', 1e12)")
    database.close()
    conversations = opened()
    old = conversations.find(request(said("user", "x"), conversation="c-1"), ALL)
    assert (old, old and old.tokens) == (PLACE, None)
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) == PLACE


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path, opened: OpenFile) -> None:
    conversation_file(tmp_path).close()
    with sqlite3.connect(tmp_path / "conversations.db") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
        database.execute("DROP INDEX by_use")
    with pytest.raises(SetupError, match=r"newer version of the bridge wrote .* remove the file to start over"):
        opened()
    assert database.execute("SELECT name FROM sqlite_master WHERE name = 'by_use'").fetchall() == []
    database.close()


@given(st.text(), st.text(alphabet=" \n\tab", max_size=40))
def test_a_digest_does_not_depend_on_white_space_or_on_where_a_piece_of_a_text_ends(text: str, other: str) -> None:
    for one in (text, other, "a" * (PIECE - 2) + other):
        assert digest([said("user", one)]) == digest([said("user", f" {' '.join(one.split())}\n")])
        assert digest([said("user", one)]) != digest([said("user", one + "b")])


def test_another_picture_is_another_history_and_another_name_of_it_is_not(opened: OpenFile) -> None:
    conversations = opened()

    def seen(name: str, data: bytes) -> Message:
        return Message("user", "What is this?", (Attachment(name, "image/png", data),))

    conversations.remember(PLACE, [seen("a.png", b"cat")], ANSWER)
    further = (said("assistant", ANSWER), said("user", "Sure?"))
    assert conversations.find(request(seen("b.png", b"cat"), *further), ALL) == PLACE
    assert conversations.find(request(seen("a.png", b"dog"), *further), ALL) is None
    assert conversations.find(request(said("user", "What is this?"), *further), ALL) is None


@pytest.mark.parametrize(
    "messages",
    [
        (*HELLO, said("assistant", "Another answer"), said("user", "Fine.")),
        (said("system", "Be long."), HELLO[1], said("assistant", ANSWER), said("user", "Fine.")),
        (HELLO[1], said("assistant", ANSWER), said("user", "Fine.")),
        (*HELLO, said("assistant", ANSWER)),
        (said("user", "Fine."),),
        (said("assistant", "Hello"), said("user", ANSWER), said("user", "Fine.")),
    ],
)
def test_any_other_history_begins_anew(opened: OpenFile, messages: tuple[Message, ...]) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*messages), ALL) is None


def test_a_conversation_goes_on_only_from_its_last_answer(opened: OpenFile) -> None:
    conversations = opened()
    conversations.remember(PLACE, HELLO, ANSWER)
    longer = (*HELLO, said("assistant", ANSWER), said("user", "Fine."))
    conversations.remember(ConversationPosition("alice", "c-1", "4"), longer, "Good.")
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine, again.")), ALL) is None
    with pytest.raises(UnknownConversation, match="has continued since"):
        conversations.find(request(said("user", "x"), conversation="c-1@2"), ALL)
    assert conversations.find(request(said("user", "x"), conversation="c-1@4"), ALL) == ConversationPosition(
        "alice", "c-1", "4"
    )


def test_the_clients_own_name_for_a_conversation_counts_before_the_history(opened: OpenFile) -> None:
    conversations = opened(enabled=False)
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) is None
    assert conversations.find(request(said("user", "Fine."), conversation=PLACE.id), ALL) == PLACE
    with pytest.raises(UnknownConversation) as caught:
        conversations.find(request(said("user", "Fine."), conversation="nobody@1"), ALL)
    assert (caught.value.status, caught.value.param) == (404, "conversation_id")


def test_places_survive_a_restart_and_no_text_is_on_disk(tmp_path: Path, opened: OpenFile) -> None:
    with closing(conversation_file(tmp_path)) as first:
        first.remember(PLACE, HELLO, ANSWER)
    assert opened().find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) == PLACE
    for file in tmp_path.iterdir():
        assert b"Hello" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def test_a_conversation_that_was_not_used_for_long_is_forgotten(opened: OpenFile) -> None:
    conversations = opened(max_age=1e-15)
    conversations.remember(PLACE, HELLO, ANSWER)
    assert conversations.find(request(*HELLO, said("assistant", ANSWER), said("user", "Fine.")), ALL) is None


@asynccontextmanager
async def shared(tmp_path: Path) -> AsyncGenerator[Conversations]:
    conversations = Conversations(tmp_path / "conversations.db", ConversationSettings())
    await conversations.open()
    yield conversations
    await conversations.close()


async def record(note: ConversationRecorder, *events: ChatEvent, fails: BridgeError | None = None) -> None:
    """Let the recorder take the events of an answer, of which the client leaves without a `Finish`."""

    async def answer() -> AsyncGenerator[ChatEvent]:
        for event in events:
            yield event
        if fails is not None:
            raise fails

    with suppress(SiteError):
        async with aclosing(answer()) as chat, aclosing(note.recorded(chat)) as recorded:
            async for event in recorded:
                if event is events[-1] and fails is None:
                    break


BROKEN = [
    (None, Thinking("Well")),
    (None, Text("Hi")),
    (SiteError("The connection broke.", sent=True), Text("Hi")),
]


@pytest.mark.parametrize(("fails", "last"), BROKEN)
async def test_an_answer_that_broke_off_is_asked_for_again_in_its_conversation(
    tmp_path: Path, fails: BridgeError | None, last: ChatEvent
) -> None:
    asked = request(*HELLO, said("assistant", ANSWER), said("user", "And?"))
    async with shared(tmp_path) as conversations:
        conversations.remember(PLACE, HELLO, ANSWER)
        before = await conversations.find(asked, ALL)
        assert before == PLACE
        await record(ConversationRecorder(conversations, asked, "alice", before), Opened("c-1", "4"), last, fails=fails)
        again = await conversations.find(asked, ALL)
        assert again == ConversationPosition("alice", "c-1", "4", is_again=True)
        assert [message.text for message in new_messages(asked, again)] == [AGAIN, "And?"]
        other = request(*HELLO, said("assistant", ANSWER), said("user", "Something else"))
        assert await conversations.find(other, ALL) is None
        await record(ConversationRecorder(conversations, asked, "alice", again), Opened("c-1", "6"), last, Finish())
        text = last.text if isinstance(last, Text) else ""
        next_one = request(*asked.messages, said("assistant", text), said("user", "So?"))
        assert await conversations.find(next_one, ALL) == ConversationPosition("alice", "c-1", "6")
        assert await conversations.find(asked, ALL) is None


async def test_what_the_site_did_not_begin_to_answer_is_not_asked_for_again_there(tmp_path: Path) -> None:
    asked = request(*HELLO, said("assistant", ANSWER), said("user", "And?"))
    async with shared(tmp_path) as conversations:
        note = ConversationRecorder(conversations, asked, "alice")
        await record(note, Opened("c-1", "4"), fails=SiteError("The conversation is full.", sent=True))
        assert await conversations.find(asked, ALL) is None


async def test_an_answer_that_did_not_end_well_is_not_gone_on_from(tmp_path: Path) -> None:
    async with shared(tmp_path) as conversations:
        conversations.remember(PLACE, HELLO, ANSWER)
        note = ConversationRecorder(conversations, request(*HELLO), "alice")
        await record(note, Opened("c-1", "4"), Text("Hi"), Finish("length"))
        with pytest.raises(UnknownConversation):
            await conversations.find(request(said("user", "x"), conversation="c-1"), ALL)


async def test_what_the_client_will_send_back_is_made_off_the_event_loop(tmp_path: Path) -> None:
    threads: list[int] = []

    def returned(answer: str) -> str:
        threads.append(threading.get_ident())
        return answer.upper()

    async with shared(tmp_path) as conversations:
        note = ConversationRecorder(conversations, replace(request(*HELLO), returned=returned), "alice")
        await record(note, Opened("c-1", "4"), Text("Hi"), Finish())
        found = await conversations.find(request(*HELLO, said("assistant", "HI"), said("user", "x")), ALL)
        assert found == ConversationPosition("alice", "c-1", "4")
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_was_noted_last_is_on_disk_when_the_bridge_has_stopped(tmp_path: Path, opened: OpenFile) -> None:
    async with shared(tmp_path) as conversations:
        for number in range(500):
            conversations.remember(
                ConversationPosition("alice", f"c-{number}", "2"), [said("user", str(number))], ANSWER
            )
    last = (said("user", "499"), said("assistant", ANSWER), said("user", "Fine."))
    assert opened().find(request(*last), ALL) == ConversationPosition("alice", "c-499", "2")


async def test_who_asks_at_once_finds_what_was_noted_before(tmp_path: Path) -> None:
    async with shared(tmp_path) as conversations:
        for number in range(200):
            conversations.remember(
                ConversationPosition("alice", "c-1", str(number)), [said("user", str(number))], ANSWER
            )
            known = (said("user", str(number)), said("assistant", ANSWER), said("user", "Fine."))
            assert await conversations.find(request(*known), ALL) == ConversationPosition("alice", "c-1", str(number))


async def test_a_disk_that_fails_costs_the_conversation_and_not_the_chat(tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    longer = request(*HELLO, said("assistant", ANSWER), said("user", "Fine."))
    async with shared(tmp_path) as conversations:
        conversations.remember(PLACE, HELLO, ANSWER)
        with sqlite3.connect(tmp_path / "conversations.db") as other:
            other.execute("DROP TABLE conversation")
        conversations.forget("c-1")
        assert await conversations.find(longer, ALL) is None
        with pytest.raises(StorageError):
            await conversations.find(request(said("user", "x"), conversation="c-1"), ALL)
        conversations.made("c-1", "alice")
        assert await conversations.unused("alice") is None
    logger.remove(sink)
    other.close()
    assert [line for line in lines if "Cannot save" in line] != []
    assert [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))] == []


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path, opened: OpenFile) -> None:
    (tmp_path / "conversations.db").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(SetupError, match=r"conversations\.db.*Remove it"):
        opened()
