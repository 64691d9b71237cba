"""What the page tells of its buttons and text boxes, and what outlives the document that they were in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from bridge.browser.browser import Chromium
from bridge.sites.learning.control_rules import switches
from bridge.sites.learning.control_search import AFTER, BEFORE, BUSY, TYPED, stop_selectors
from bridge.sites.learning.moved_button_rules import sends
from bridge.sites.learning.page_watch import PageWatch
from bridge.sites.learning.text_boxes import text_boxes
from tests.support.listening import listening
from tests.support.waiting import until

PAGE = "<title>Chat</title><textarea></textarea><button aria-label=Send>Send</button>"
ANSWERING = "() => document.body.insertAdjacentHTML('beforeend', '<button aria-label=Stop>Stop</button>')"


@asynccontextmanager
async def watched(chromium: Chromium) -> AsyncGenerator[PageWatch]:
    """Serve a page that has nothing but what it takes to chat, and watch it."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with listening(app) as origin, chromium.context({}) as context:
        tab = await context.new_page()
        await tab.goto(origin)
        yield PageWatch(tab, origin)


async def test_the_stop_button_is_known_although_the_page_loads_itself_anew_behind_the_answer(
    chromium: Chromium,
) -> None:
    async with watched(chromium) as watch:
        await watch.mark(1, BEFORE, TYPED, BUSY)
        await watch.page.evaluate(ANSWERING)

        async def sees_stop() -> bool:
            return any(one.element.text == "Stop" for one in await watch.looks())

        await until(sees_stop)
        await watch.page.reload()
        await watch.mark(1, AFTER)
        looks = await watch.looks()
    assert stop_selectors(looks, 1)[0] == 'button[aria-label="Stop"]'
    assert len({one.number for one in looks if one.element.text == "Send"}) == 2, "each document has its own numbers"


async def test_a_watch_that_has_ended_leaves_no_listener_in_the_page(chromium: Chromium) -> None:
    async with watched(chromium) as watch:
        session = await watch.page.context.new_cdp_session(watch.page)

        async def listened_to() -> list[str]:
            window = await session.send("Runtime.evaluate", {"expression": "window"})
            found = await session.send("DOMDebugger.getEventListeners", {"objectId": window["result"]["objectId"]})
            return sorted(one["type"] for one in found["listeners"])

        await watch.buttons()
        assert await listened_to() == ["keydown", "pointerdown"]
        await watch.end()
        assert await listened_to() == []


async def test_an_answer_is_seen_in_an_element_that_has_no_box_of_its_own(chromium: Chromium) -> None:
    chat = "<div style='display: contents'><p>Say kestrel</p><p>kestrel</p><p style='display: none'>secret</p></div>"
    async with watched(chromium) as watch:
        await watch.ask("remember")
        await watch.page.evaluate("chat => document.body.insertAdjacentHTML('beforeend', chat)", chat)
        assert await watch.ask("answer", "Say kestrel", "kestrel") == "kestrel"


BOX = "<textarea id=c placeholder='Ask anything'></textarea>"
SEND = "<button id=s>Send</button>"
OWN = (
    f"<div>{BOX}{SEND}</div>",
    f"<form>{BOX}<div><button id=s aria-label='Send message'><svg></svg></button></div></form>",
)
STRANGE = {
    "in another form": f"{BOX}<form>{SEND}</form>",
    "in a dialog": f"{BOX}<div role=dialog>{SEND}</div>",
    "of another text box": f"{BOX}<div><textarea></textarea>{SEND}</div>",
    "below something": f"{BOX}{SEND}<div style='position:fixed; inset:0'></div>",
    "around another": f"{BOX}<div id=s role=button aria-label=Send><button style='padding: 9px'></button></div>",
    "part of another": f"{BOX}<div role=button><span id=s role=button>Send</span> and pay</div>",
    "a link": f"{BOX}<a href='/{'x' * 100}'>{SEND}</a>",
    "described": f"{BOX}<span id=t hidden>Deletes this chat</span><button id=s aria-describedby=t>Send</button>",
    "named at length": f"{BOX}<button id=s aria-label='Send {'this report ' * 9}'>Send</button>",
    "a picture": f"{BOX}<button id=s><img alt=Delete width=20 height=20></button>",
    "of a menu": f"{BOX}<button id=s aria-haspopup=menu>Send</button>",
    "far away": f"{BOX}<div style='margin-top: 400px'>{SEND}</div>",
    "off by its class": f"{BOX}<button id=s class='btn is-disabled'>Send</button>",
    "off by its style": f"{BOX}<button id=s style='pointer-events: none'>Send</button>",
    "off with others": f"{BOX}<fieldset disabled>{SEND}</fieldset>",
    "not seen": f"{BOX}<button id=s style='display: none'>Send</button>",
}
COMPOSERS = (
    BOX,
    "<label for=c>Your question</label><textarea id=c></textarea>",
    "<div><div id=c contenteditable=true style='height: 40px'></div><div class=placeholder>Ask anything</div></div>",
    "<div id=c contenteditable=true><p data-placeholder='Ask anything'><br></p></div>",
    "<form><input id=c style='width: 300px' placeholder='Ask anything'></form>",
)
OTHERS = {
    "in a dialog": f"<div role=dialog>{'<div>' * 12}{BOX}</div>",
    "in a search": f"<form role=search>{BOX}</form>",
    "of a form to be filled in": f"<form><input name=subject>{BOX}</form>",
    "with an address": "<input type=email><textarea id=c placeholder='Your message'></textarea>",
    "called for something else": "<textarea id=c aria-label='Report a message'></textarea>",
    "without a name": "<textarea id=c></textarea>",
}


async def shown(watch: PageWatch, html: str) -> None:
    await watch.page.evaluate("html => { document.body.innerHTML = html; }", html)


SWITCHES = {
    "pressed": "<button id=s aria-pressed=false>Deep think</button>",
    "role": "<div id=s role=switch aria-checked=false tabindex=0>Deep think</div>",
    "data": "<button id=s data-state=off>Deep think</button>",
    "checkbox": "<label><input id=s type=checkbox> Deep think</label>",
    "labelled": "<label for=s>Deep think</label><input id=s type=checkbox>",
}
NO_SWITCHES = {
    "without a state": "<button id=s>Deep think</button>",
    "of a menu": "<button id=s aria-pressed=false aria-haspopup=menu>Deep think</button>",
    "in a dialog": "<div role=dialog><button id=s aria-pressed=false>Deep think</button></div>",
    "around others": "<div id=s role=switch aria-checked=false>Deep think <button>Buy</button></div>",
    "described": "<b id=t hidden>Upgrade</b><button id=s aria-pressed=false aria-describedby=t>Think</button>",
}


async def found_switches(watch: PageWatch, html: str) -> list[str]:
    """Return the ids of what may be a switch beside the text box of a page."""
    await shown(watch, f"{BOX}<div>{html}</div>")
    await watch.ask("useBox", await watch.page.query_selector("#c"))
    return [control.button.element.id for control in switches(await watch.switches()).values()]


async def test_a_switch_is_what_shows_a_state_beside_the_text_box(chromium: Chromium) -> None:
    async with watched(chromium) as watch:
        assert [await found_switches(watch, html) for html in SWITCHES.values()] == [["s"]] * len(SWITCHES)
        assert {name: found for name, html in NO_SWITCHES.items() if (found := await found_switches(watch, html))} == {}


async def senders(watch: PageWatch, html: str) -> list[str]:
    """Return the ids of what may send what is in the text box of a page."""
    await shown(watch, html)
    await watch.ask("useBox", await watch.page.query_selector("#c"))
    return [button.element.id for button in await watch.buttons() if sends(button)]


async def composers(watch: PageWatch, html: str) -> list[str]:
    """Return the ids of what may be the composer of a page."""
    await shown(watch, html)
    return [box.element.id for box in await text_boxes(watch) if box.takes_prompts]


async def test_a_button_is_the_text_boxs_own_where_nothing_speaks_against_it(chromium: Chromium) -> None:
    async with watched(chromium) as watch:
        assert [await senders(watch, html) for html in OWN] == [["s"]] * len(OWN)
        assert {name: found for name, html in STRANGE.items() if (found := await senders(watch, html))} == {}
        assert [await composers(watch, html) for html in COMPOSERS] == [["c"]] * len(COMPOSERS)
        assert {name: found for name, html in OTHERS.items() if (found := await composers(watch, html))} == {}
