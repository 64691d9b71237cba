"""`bridge sites`, as a person at a terminal meets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.sites.known_sites import SHIPPED
from tests.support.commands import Home

KIMI = (SHIPPED / "kimi.toml").read_text("utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


def own_files(home: Home) -> Path:
    folder = home.folder / "config/sites"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def test_the_list_has_modules_files_of_the_bridge_and_own_files_and_says_whose_each_is(home: Home) -> None:
    (own_files(home) / "kimi.toml").write_text(KIMI.replace('title = "Kimi"', 'title = "My Kimi"'))
    (own_files(home) / "mine.toml").write_text(KIMI.replace('name = "kimi"', 'name = "mine"'))
    (own_files(home) / "broken.toml").write_text('name = "broken"\nbox = 1\n')
    listed = await home.run("sites", "list")
    assert listed.code == 0, listed.err
    lines = {line.split()[0]: line for line in listed.out.splitlines() if line.strip()}
    assert lines["deepseek"].rstrip().endswith("module")
    assert lines["qwen"].rstrip().endswith("file of the bridge")
    assert "My Kimi" in lines["kimi"]
    assert lines["kimi"].rstrip().endswith("your own file, in place of the bridge's")
    assert lines["mine"].rstrip().endswith("your own file")
    assert "box is not a field" in lines["broken:"]


async def test_one_site_is_shown_with_what_its_description_leaves_out(home: Home) -> None:
    shown = await home.run("sites", "show", "metaso")
    assert shown.code == 0, shown.err
    assert "https://metaso.cn" in shown.out
    assert "never tried on the live site" in shown.out
    assert "metaso-think" in shown.out
    assert "upload: its models take no files" in shown.out
    unknown = await home.run("sites", "show", "nowhere")
    assert (unknown.code, "Unknown site 'nowhere'" in unknown.err) == (1, True)


async def test_a_new_file_is_right_and_a_second_one_of_its_name_is_refused(home: Home) -> None:
    begun = await home.run("sites", "new", "mine", "--url", "https://chat.mine.test")
    assert begun.code == 0, begun.err
    path = own_files(home) / "mine.toml"
    assert 'start_url = "https://chat.mine.test"' in path.read_text()
    checked = await home.run("sites", "check", str(path))
    assert (checked.code, "describes the site 'mine'" in checked.out) == (0, True)
    assert "composer.stop_button: " in checked.out
    assert (await home.run("sites", "new", "mine")).code == 1
    for name in ("Mine", "../mine", "a/b"):
        refused = await home.run("sites", "new", name)
        assert (refused.code, "small letters" in refused.err) == (1, True), name


async def test_each_wrong_field_is_named_with_what_to_do(home: Home) -> None:
    file = home.folder / "wrong.toml"
    wrong = KIMI.replace("box = [", "boxx = [").replace('path = "/apiv2', 'path = "/apiv2', 1)
    wrong = wrong.replace('new_chat = ["a.new-chat-btn"]', 'new_chat = ["a[href"]').replace(
        'value = "chat.id"', 'value = "chat..id"'
    )
    file.write_text(wrong.replace('emit = "conversation"', 'emit = "talk"'))
    checked = await home.run("sites", "check", str(file))
    assert checked.code == 1
    assert "composer.box is missing: the text box" in checked.out
    assert "composer.boxx is not a field; did you mean box?" in checked.out
    assert "composer.new_chat[0]: 'a[href' is not a selector: a ] is missing" in checked.out
    assert ".emit: Input should be 'text'" in checked.out
    assert ".value: 'chat..id' is not a path" in checked.out
    file.write_text("name = \x1b[31m")
    assert "it is not TOML" in (await home.run("sites", "check", str(file))).out
    assert (await home.run("sites", "check", str(home.folder / "nowhere.toml"))).code == 1
