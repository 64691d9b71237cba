"""The contract of all sites: each is driven in a real Chromium through the stand-in of its page, traps included."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.chat.account_control import Finding
from bridge.demo import Script
from bridge.health_checks import examine_site
from bridge.telemetry import WorkerState
from tests.sites.contract_points import long_sites, short_sites
from tests.sites.standin_runs import StandInRun, standin_run
from tests.support.stress import stress
from tests.support.waiting import until

PROMPT = 'Line one\n  *two* "quoted" \\ back & <b>bold</b>\n\nünïcode 你好 👩‍💻 ```code```'
ANSWER = 'Yes:\n\n```python\nprint("ü 你好 👩‍💻 <b>&amp;</b>")\n```\n\n- one\n- *two* \\ three'
PAGES: tuple[dict[str, Any], ...] = (
    {"url": "https://a.test/1", "title": "One"},
    {"url": "https://b.test/2", "title": "Two"},
)


def cases(point: str) -> Iterator[Any]:
    """Yield the sites that have the point, those that differ least from others marked as stress."""
    yield from short_sites(point)
    yield from stress(*long_sites(point))


def of(point: str) -> pytest.MarkDecorator:
    """Try the point on each site that it is about."""
    return pytest.mark.parametrize("run", [*cases(point)], indirect=True)


@of("chat")
async def test_prompt_and_answer_are_exact(run: StandInRun) -> None:
    run.account.script(Script(text=ANSWER, cut=7))
    said = await run.ask(PROMPT)
    assert said.content == ANSWER
    assert run.account.turns[-1].prompt == PROMPT


@of("stream")
async def test_pieces_arrive_while_the_site_still_writes_and_a_client_that_leaves_stops_it(run: StandInRun) -> None:
    run.account.script(Script(text="one two three four " * 10, fault="stall", params={"after": 20}))
    stream = await run.client.chat.completions.create(
        model=run.model, messages=[{"role": "user", "content": "Hold"}], stream=True
    )
    came = ""
    async for chunk in stream:
        came += chunk.choices[0].delta.content or "" if chunk.choices else ""
        if came:
            break
    turn = run.account.turns[-1]
    assert not turn.outcome
    assert turn.sent_text.startswith(came)
    await stream.close()
    await until(lambda: turn.outcome)
    assert turn.outcome in ("stopped", "disconnected")


@of("turns")
async def test_a_second_turn_goes_on_in_the_sites_own_conversation(run: StandInRun) -> None:
    run.account.script(Script(text="It is water."))
    said = (await run.ask("What is rain?")).content
    run.account.script(Script(text="From clouds."))
    again = await run.ask("What is rain?", said, "And from where?")
    first, second = run.account.turns[-2:]
    assert again.content == "From clouds."
    assert second.prompt == "And from where?"
    assert second.conversation == first.conversation


@of("thinking")
async def test_thinking_is_switched_on_and_off_and_comes_apart(run: StandInRun) -> None:
    run.account.script(Script(thinking="First, a thought.", text="Then words."))
    said = await run.ask("Think", model=f"{run.model}-think")
    assert said.reasoning_content == "First, a thought."
    assert said.content == "Then words."
    run.account.script(Script(thinking="Not this.", text="Only words."))
    said = await run.ask("Do not think")
    assert getattr(said, "reasoning_content", None) is None
    assert said.content == "Only words."
    assert [turn.thinking_enabled for turn in run.account.turns[-2:]] == [True, False]


@of("search")
async def test_search_is_switched_on_and_off(run: StandInRun) -> None:
    for model, is_on in ((f"{run.model}-search", True), (run.model, False)):
        run.account.script(Script(text="Found.", results=PAGES))
        await run.ask("Look for it", model=model)
        assert run.account.turns[-1].search_enabled is is_on


@of("sources")
async def test_what_a_search_found_comes_with_the_answer(run: StandInRun) -> None:
    run.account.script(Script(text="Found ", results=PAGES, citations="citation"))
    said = await run.complete("Look for it", model=f"{run.model}-search" if run.file.search else run.model)
    assert [found["url"] for found in said.search_results] == [page["url"] for page in PAGES]


@of("models")
async def test_the_model_is_chosen_that_was_asked_for(run: StandInRun) -> None:
    for model in (*reversed(run.file.models), run.file.models[-1]):
        run.account.script(Script(text="Here."))
        await run.ask("Who are you?", model=model.id)
        assert run.account.turns[-1].model_type in (model.wire or model.choices)


def with_files(*names: str) -> Any:
    """Return messages that ask to read files, each of which holds its own name."""
    data = {name: base64.b64encode(name.encode()).decode() for name in names}
    files = [
        {"type": "file", "file": {"filename": name, "file_data": f"data:text/plain;base64,{text}"}}
        for name, text in data.items()
    ]
    return [{"role": "user", "content": [{"type": "text", "text": "Read it"}, *files]}]


@of("files")
async def test_files_go_with_the_prompt_which_names_each_by_its_id(run: StandInRun) -> None:
    run.account.script(Script(text="Read."))
    messages = with_files("notes.txt", "more.txt")
    said = await run.client.chat.completions.create(model=run.model, messages=messages)
    assert said.choices[0].message.content == "Read."
    assert sorted(run.account.turns[-1].files) == ["more.txt", "notes.txt"]
    assert sorted(one.content or b"" for one in run.account.uploads.values()) == [b"more.txt", b"notes.txt"]
    run.account.script(Script(text="None."))
    await run.ask("Without any")
    assert run.account.turns[-1].files == ()


@of("files")
async def test_a_prompt_waits_until_its_file_is_read(run: StandInRun) -> None:
    before = len(run.account.turns)
    run.account.fault("slow_file")
    run.account.script(Script(text="Read."))
    said = await run.client.chat.completions.create(model=run.model, messages=with_files("slow.txt"))
    assert said.choices[0].message.content == "Read."
    assert run.account.turns[-1].files == ("slow.txt",)
    assert [one.turns for one in run.account.uploads.values()][-1] == before, "a prompt came before the file"


@of("files")
async def test_a_file_that_the_site_refuses_is_named_and_nothing_is_sent(run: StandInRun) -> None:
    before = len(run.account.turns)
    run.account.fault("file")
    with pytest.raises(openai.UnprocessableEntityError, match=r"did not accept the file 'odd\.txt'") as refused:
        await run.client.chat.completions.create(model=run.model, messages=with_files("odd.txt"))
    body: Any = refused.value.body
    assert body["code"] == "file_rejected"
    assert len(run.account.turns) == before
    run.account.script(Script(text="None."))
    assert (await run.ask("Without it")).content == "None."
    assert run.account.turns[-1].files == ()


@of("pictures")
async def test_pictures_come_as_links_once_the_job_is_done(run: StandInRun) -> None:
    made = await run.client.images.generate(model=run.model, prompt=PROMPT)
    assert run.account.turns[-1].prompt == PROMPT
    links = [picture.url or "" for picture in made.data or ()]
    assert len(links) == 2
    assert all(link.startswith(f"{run.site.url}/picture/") for link in links)
    said = (await run.ask("A parrot")).content
    assert said.count(f"]({run.site.url}/picture/") == 2


@of("doctor")
async def test_the_doctor_finds_each_control_and_the_request_in_the_pages_scripts(run: StandInRun) -> None:
    findings: list[Finding] = []

    async def is_examined() -> bool:
        findings[:] = await examine_site(run.bridge.pool, run.settings.pages, "alice")
        return findings[0].ok is not None  # else it still has to do with the chat before

    await until(is_examined)
    assert [finding.name for finding in findings] == ["page of alice", "stream of alice"]
    assert [finding.text for finding in findings if not finding.ok] == []


@of("rewrites")
async def test_text_that_the_site_changes_is_never_silently_wrong(run: StandInRun) -> None:
    changed = Script(text="It is water, as everybody knows.", token_size=8, fault="rewrite")
    run.account.script(changed)
    said = (await run.ask("What is rain?")).content
    assert said == run.account.threads[run.account.turns[-1].conversation].messages[-1]["text"]


@pytest.mark.parametrize("name", [*cases("login")])
async def test_a_guests_page_is_told_from_an_accounts_and_a_login_is_used_again(
    name: str, tmp_path_factory: pytest.TempPathFactory, chromium: Chromium
) -> None:
    folder = tmp_path_factory.mktemp(f"{name}-guest")
    async with standin_run(name, folder, chromium, WorkerState.LOGGED_OUT) as run:
        with pytest.raises(openai.InternalServerError, match="signed out"):
            await run.ask("Am I a guest?")
        assert run.site.guest.turns == []
        await run.sign_in()
        run.account.script(Script(text="Welcome."))
        answer = (await run.ask("And now?")).content
        assert answer == "Welcome." if run.file.kind == "text" else answer.startswith("![](")
