"""Each step of an agent goes on in its conversation, and sends only what is new, whatever the agent changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.chat_options import ChatOptions, make_request
from bridge.chat.prompt import AGAIN
from bridge.chat.system_changes import GONE, NO_TOOLS, news, outline
from bridge.chat.types import ChatRequest, Message, Model
from bridge.settings import ApiSettings, FileSettings
from bridge.sites.deepseek.driver import Driver
from bridge.storage.conversation_file import ConversationFile, ConversationPosition
from bridge.tool_calls.notation import Call, Tool, Toolbox, write_call, write_results
from bridge.worker.turn_plan import turns_of
from tests.storage.conftest import OpenFile

MODEL = Model("deepseek-chat")
RULES = "\n".join(f"Rule {number} says what an agent must never do without being asked." for number in range(50))
PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ, WRITE = (Tool(name, f"{name.title()}s a file of the project.", PATH) for name in ("read", "write"))
COPY = Tool("copy", "Copies a file of the project.", PATH)
RESULT = "A line of a file.\n" * 100
STATUS = "Status:\n{status}\n\nRecent commits:\nabc Begin"


def system(status: str = " M a.py\n M b.py", time: str = "12:00") -> str:
    return f"{RULES}\n\nThe time is {time}.\n\n{STATUS.format(status=status)}"


class Agent:
    """An agent on one account: plays a step, and keeps its history as clients do."""

    def __init__(self, file: ConversationFile) -> None:
        self._file = file
        self.history: list[Message] = [Message("user", "Mend the project.")]
        self.tools: tuple[Tool, ...] = (READ, WRITE)
        self.system = system()
        self.conversations: list[str] = []

    def step(self, answer: str | None = None, result: str = RESULT) -> str:
        """Play a step, and return what is typed into the page."""
        request, conversation, number, prompt = self._sent()
        answer = answer or write_call(Call("read", f'{{"path": "{number}.py"}}'))
        self._file.remember(ConversationPosition("alice", conversation, str(2 * number)), request.messages, answer)
        self.history += [Message("assistant", answer), Message("tool", write_results([("read", result)]))]
        return prompt

    def break_off(self) -> str:
        """Play a step whose answer breaks off, and return what is typed into the page."""
        request, conversation, number, prompt = self._sent()
        place = ConversationPosition("alice", conversation, str(2 * number))
        self._file.forget(conversation)
        self._file.remember_broken_off(place, request.messages)
        return prompt

    def _sent(self) -> tuple[ChatRequest, str, int, str]:
        """Return the request of a step, the conversation that it goes to, its number, and what is typed."""
        request = self._request()
        place = self._file.find(request, ["alice"])
        prompt = turns_of(request, place, Driver, FileSettings())[0].prompt
        number = len(self.conversations) + 1
        conversation = place.conversation if place else f"c-{number}"
        self.conversations.append(conversation)
        return request, conversation, number, prompt

    def _request(self) -> ChatRequest:
        messages = (Message("system", self.system), *self.history)
        toolbox = Toolbox(self.tools) if self.tools else None
        options = ChatOptions(name=MODEL.id, model=MODEL, messages=messages, toolbox=toolbox)
        return make_request(options, "r", None, ApiSettings()).chat


@pytest.fixture
def agent(opened: OpenFile) -> Agent:
    return Agent(opened())


def test_a_step_sends_the_results_alone(agent: Agent) -> None:
    first, second, third = (agent.step() for _ in range(3))
    assert RULES in first
    assert len(set(agent.conversations)) == 1
    assert RESULT in second
    assert RESULT in third
    assert max(len(second), len(third)) < len(RESULT) + 600


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (system(time="12:01"), "The time is 12:01."),
        (system(" M a.py\n M b.py\n M c.py"), "M c.py"),
        (system("(clean)"), "(clean)"),
        (system(" M b.py"), f"Status:\nM b.py\n{GONE}"),
        (system(" M a.py"), f"Status:\nM a.py\n{GONE}"),
        (system(" M a.py", "12:01"), f"The time is 12:01.\nStatus:\nM a.py\n{GONE}"),
    ],
)
def test_of_a_system_text_that_changes_only_the_changed_part_is_sent(agent: Agent, changed: str, told: str) -> None:
    agent.step()
    agent.system = changed
    prompt = agent.step()
    assert told in prompt
    assert "Rule 7" not in prompt
    assert "Begin" not in prompt
    agent.step()
    agent.system = system()
    agent.step()
    assert len(set(agent.conversations)) == 1


def test_a_tool_that_comes_is_taught_alone_and_whole(agent: Agent) -> None:
    agent.step()
    agent.tools = (READ, WRITE, COPY)
    prompt = agent.step()
    assert "You have these tools and no others: read, write, copy" in prompt
    assert "// Copies a file of the project.\ncopy({" in prompt
    assert prompt.count("path: string") == 1  # of the new tool, although others have the same line
    assert "// Reads" not in prompt
    assert "copy" not in agent.step()
    assert len(set(agent.conversations)) == 1


def test_a_tool_that_changes_is_taught_whole(agent: Agent) -> None:
    agent.step()
    lines = {**PATH, "properties": {**PATH["properties"], "lines": {"type": "number"}}}  # type: ignore[dict-item]
    agent.tools = (replace(READ, parameters=lines), WRITE)
    prompt = agent.step()
    assert "// Reads a file of the project.\nread({" in prompt
    assert "lines?: number" in prompt
    assert "// Writes" not in prompt
    assert len(set(agent.conversations)) == 1


def test_a_tool_that_goes_is_taken_back_by_the_names_of_those_that_stay(agent: Agent) -> None:
    agent.step()
    agent.tools = (READ,)
    prompt = agent.step()
    assert "You have these tools and no others: read\n" in prompt
    assert "// Reads" not in prompt
    agent.tools = ()
    assert NO_TOOLS in agent.step()
    agent.tools = (READ,)
    assert "// Reads" in agent.step()
    assert len(set(agent.conversations)) == 1


def test_old_results_that_a_client_clears_step_by_step_are_not_sent_again(agent: Agent) -> None:
    for number in range(8):
        prompt = agent.step()
        assert (RULES in prompt) is (number == 0)
        if number > 1:
            agent.history[2 * number - 2] = Message("tool", write_results([("read", "[Old result cleared]")]))
    assert len(set(agent.conversations)) == 1


@pytest.mark.parametrize("other", ["Another line.", RESULT + "[truncated]", "ok"])
def test_a_result_that_says_something_else_begins_a_new_conversation(agent: Agent, other: str) -> None:
    agent.step()
    agent.step()
    agent.history[2] = Message("tool", write_results([("read", other)]))
    assert RULES in agent.step()


def test_a_history_that_was_compacted_is_one_new_conversation_which_goes_on(agent: Agent) -> None:
    for _ in range(4):
        agent.step()
    agent.history[:] = [Message("user", "This was done so far: nothing. Go on.")]
    prompts = [agent.step() for _ in range(4)]
    assert [RULES in prompt for prompt in prompts] == [True, False, False, False]
    assert len(set(agent.conversations)) == 2


def test_a_step_that_is_tried_again_after_its_answer_is_one_new_conversation_which_goes_on(agent: Agent) -> None:
    agent.step()
    agent.step()
    del agent.history[-2:]
    prompts = [agent.step() for _ in range(4)]
    assert [RULES in prompt for prompt in prompts] == [True, False, False, False]
    assert len(set(agent.conversations)) == 2


def test_a_step_whose_answer_broke_off_is_tried_again_in_its_conversation(agent: Agent) -> None:
    agent.step()
    broken, again, once_more = agent.break_off(), agent.break_off(), agent.step()
    assert AGAIN not in broken
    for prompt in (again, once_more):
        assert AGAIN in prompt
        assert len(prompt) < len(RESULT) + 800
    assert AGAIN not in agent.step()
    assert len(set(agent.conversations)) == 1


def test_a_first_step_whose_answer_broke_off_is_tried_again_in_a_new_conversation_which_goes_on(agent: Agent) -> None:
    prompts = [agent.break_off(), *(agent.step() for _ in range(3))]
    assert [RULES in prompt for prompt in prompts] == [True, True, False, False]
    assert len(set(agent.conversations)) == 2


def test_a_loop_that_repeats_the_same_failed_call_sends_each_failure_once(agent: Agent) -> None:
    call, failure = write_call(Call("read", '{"path": "nothing.py"}')), "Error: there is no such file."
    prompts = [agent.step(call, failure) for _ in range(6)]
    assert [prompt.count(failure) for prompt in prompts] == [0, 1, 1, 1, 1, 1]
    assert len(set(agent.conversations)) == 1


def test_a_title_that_is_asked_for_in_between_leaves_the_conversation_as_it_is(opened: OpenFile, agent: Agent) -> None:
    titles = Agent(opened())
    titles.tools = ()
    for _ in range(3):
        agent.step()
        titles.system = "Write a title for the conversation."
        titles.history[:] = [Message("user", "".join(message.text for message in agent.history))]
        titles.conversations[:] = [""] * (100 + len(agent.conversations))  # its conversations have other ids
        assert "Write a title" in titles.step("A title")
    assert len(set(agent.conversations)) == 1


LINES = st.lists(st.sampled_from(["One.", "Two. Three.", "Four", "", "Five. One."]), max_size=8).map("\n".join)


@given(LINES, LINES)
def test_every_sentence_that_is_new_is_told_or_nothing_is(before: str, after: str) -> None:
    fixed = Message("system", RULES)
    told = news(outline([fixed, Message("system", before)]), [fixed, Message("system", after)])
    assert told is None or all(word in told for word in set(after.split()) - set(before.split()))
    assert news(outline([Message("system", after)]), [Message("system", after)]) == ""
