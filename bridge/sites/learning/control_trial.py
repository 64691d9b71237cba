"""Changes the page's switches and models and sends a prompt each time: the requests show the effect.

At most `MOST_MODELS` and three more prompts are sent; every control is then set back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import first_line
from bridge.errors import BridgeError, SiteChanged
from bridge.printable import as_line
from bridge.sites.guarded_page import held
from bridge.sites.learning.canary import to_be_typed
from bridge.sites.learning.chat_trial import ChatTrial
from bridge.sites.learning.control_rules import (
    NAMES,
    ON,
    USUAL,
    chosen_entry,
    common_selectors,
    entries_of,
    menus,
    state_shown,
    switch_selectors,
    switches,
)
from bridge.sites.learning.menu_switches import EFFECT, MenuSwitches, Way
from bridge.sites.learning.observation import Control, MenuEntry, SeenControls, SeenMenu, SeenSwitch, SeenTurn
from bridge.sites.learning.operator import Operator
from bridge.sites.learning.prompt_request import failed_send
from bridge.sites.site_file.native_list import native_list
from bridge.sites.site_file.page_elements import waited
from bridge.sites.site_file.page_model_menu import PageModelMenu, ends_with
from bridge.sites.site_file.page_schema import Menu, State

MOST_MODELS = 4
"""The most models that are tried, including the default one."""
T = TypeVar("T")


class ControlTrial:
    """The trial of the controls of a page on which chats have succeeded."""

    def __init__(self, trial: ChatTrial, operator: Operator) -> None:
        self._trial = trial
        self._watch, self._page = trial.watch, trial.elements
        self._operator = operator
        self._menus = MenuSwitches(trial.watch, trial.elements)
        self._unknown: dict[str, str] = {}

    async def run(self, models: Sequence[str], new_chat: Callable[[], Awaitable[None]]) -> SeenControls:
        """Try all controls; `models` are the model's names in requests so far, `new_chat` loads an empty chat."""
        seen = [one for name in NAMES if (one := await self._guarded(name, partial(self._switch, name)))]
        after = await self._guarded("after", self._turn) if seen else None
        menu = await self._guarded("model_menu", partial(self._menu, models, new_chat))
        return SeenControls(tuple(seen), after, menu, dict(self._unknown))

    async def _guarded(self, name: str, act: Callable[[], Awaitable[T]]) -> T | None:
        """Try one control; an error only records why the control was not learned."""
        try:
            return await act()
        except BridgeError as error:
            self._unknown[name] = error.message
        except PlaywrightError as error:
            self._unknown[name] = first_line(error)
        return None

    async def _turn(self) -> SeenTurn:
        """Send a prompt, and return its turn."""
        await self._trial.chat(to_be_typed())
        turn = self._trial.turns[-1]
        if failure := failed_send(turn):
            raise SiteChanged(f"the request that was sent then failed ({failure})")
        return turn

    async def _switch(self, name: str) -> SeenSwitch:
        """Change one switch, send a prompt, and change it back."""
        await self._trial.wait_for_box()
        selectors, way = await self._place(name)
        self._operator.say(f"Changing the switch for {name}, and sending a prompt to see its effect ...")
        before = await self._current_state(selectors, way)
        await self._page.click(selectors)
        shown = await waited(partial(self._shown, selectors, before, way), EFFECT)
        await self._menus.close(way, selectors)
        if shown is None:
            raise SiteChanged("it does not show its state after a click")
        attribute, value = shown
        try:
            turn = await self._turn()
        finally:
            await self._turn_back(selectors, attribute, before[attribute], way)
        was_on = before[attribute] in ON
        return SeenSwitch(name, selectors, attribute, before[attribute] if was_on else value, was_on, turn, *way)

    async def _place(self, name: str) -> tuple[tuple[str, ...], Way]:
        """Return the selectors of a switch, and the way to its menu if it is in one."""
        if (control := switches(await self._watch.switches()).get(name)) is not None:
            return await self._fitting(control), Way()
        if (found := await self._menus.find(name)) is None:
            raise SiteChanged("nothing beside the text box, or in a menu there, has that name and shows its state")
        control, trigger = found
        selectors = await self._fitting(control)
        way = await self._menus.way(trigger, selectors)
        if not way.open:
            raise SiteChanged("its menu does not close")
        return selectors, way

    async def _fitting(self, control: Control) -> tuple[str, ...]:
        """Return the lasting selectors of a switch, or those by its words if it has no others."""
        if (element := await self._watch.element("control", control.button.number)) is None:
            raise SiteChanged("it disappeared")
        async with held(element):
            found = await self._watch.fitting(switch_selectors(control), element)
        if not found:
            raise SiteChanged("no lasting selector matches only it")
        return found

    async def _current_state(self, selectors: Sequence[str], way: Way) -> Mapping[str, str]:
        await self._menus.show(way, selectors)
        if (element := await self._page.find(selectors)) is None:
            return {}
        async with held(element):
            return dict(await self._watch.ask("stateOf", element) or {})

    async def _shown(self, selectors: Sequence[str], before: Mapping[str, str], way: Way) -> tuple[str, str] | None:
        """Return the attribute that shows that a switch has changed, and its value now; else None."""
        after = await self._current_state(selectors, way)
        attribute = state_shown(before, after)
        return (attribute, after[attribute]) if attribute else None

    async def _turn_back(self, selectors: Sequence[str], attribute: str, value: str, way: Way) -> None:
        """Change a switch back, unless the page has done so itself."""

        async def is_back() -> bool:
            return (await self._current_state(selectors, way)).get(attribute) == value

        await self._trial.wait_for_box()
        if not await is_back():
            await self._page.click(selectors)
            if not await waited(is_back, EFFECT):
                raise SiteChanged("it could not be changed back")
        await self._menus.close(way, selectors)

    async def _menu(self, models: Sequence[str], new_chat: Callable[[], Awaitable[None]]) -> SeenMenu:
        """Find the menu of models, and send a prompt with each of the first ones."""
        await new_chat()
        for control in menus(await self._watch.menus(), models):
            if (opened := await self._opened(control)) is not None:
                return await self._with_each(*opened, models, new_chat)
            await new_chat()  # the clicked element may have done anything
        raise SiteChanged("no control was found that opens a list of models")

    async def _opened(self, control: Control) -> tuple[Menu, list[MenuEntry]] | None:
        """Open what may be a menu of models, and close it again; return its description and its entries, or None."""
        if (element := await self._watch.element("control", control.button.number)) is None:
            return None
        async with held(element):
            if not (ways := await self._watch.lasting(element)):
                return None
            if (native := await native_list(element)) is not None:
                said = [MenuEntry(control.button.element, 0, name) for name in native.names if name]
                return (Menu(open=ways[:1]), said) if entries_of(said) else None
            if control.radios > 1:
                await self._watch.ask("inGroup", element)
            else:
                await self._watch.ask("beforeMenu")
                await self._page.click_element(element)
        found = await waited(self._entries, EFFECT) or []
        entry = await self._entry(found)
        close = "" if control.radios > 1 else await self._close(ways[:1])
        if entry is None or close is None:
            return None
        return Menu(open=ways[:1], entry=(entry,), close=close, state=_state(found)), found

    async def _entries(self) -> list[MenuEntry]:
        return entries_of(await self._watch.entries())

    async def _entry(self, found: Sequence[MenuEntry]) -> str | None:
        """Return the selector that matches all entries of the open menu, and nothing else visible; else None."""
        for selector in common_selectors(found) if found else ():
            if await self._watch.count(selector) == len(found):
                return selector
        return None

    async def _close(self, trigger: Sequence[str]) -> Literal["escape", "trigger"] | None:
        """Close the open menu; return how, or None if it does not close."""

        async def is_closed() -> bool:
            return not await self._watch.entries()

        await self._page.press("Escape")
        if await waited(is_closed, EFFECT):
            return "escape"
        await self._page.click(trigger)
        return "trigger" if await waited(is_closed, EFFECT) else None

    async def _with_each(
        self,
        menu: Menu,
        found: Sequence[MenuEntry],
        models: Sequence[str],
        new_chat: Callable[[], Awaitable[None]],
    ) -> SeenMenu:
        """Send a prompt with each of the first models; the one that the page had chosen comes last."""
        chooser = PageModelMenu(self._page, menu)
        chosen = await self._chosen(menu, found, models)
        names = [one.name for one in found]
        others = [name for name in names if name != chosen][: MOST_MODELS - bool(chosen)]
        tried: dict[str, SeenTurn] = {}
        is_shown = True
        try:
            for name in [*others, *filter(None, [chosen])]:
                self._operator.say(f"Choosing the model {as_line(name)}, and sending it a prompt ...")
                await new_chat()
                await chooser.choose(name)
                is_shown = (
                    bool(menu.entry)
                    and is_shown
                    and any(ends_with(text, name) for text in await self._page.texts(menu.open))
                )
                tried[name] = await self._turn()
                if not await self._page.has(menu.open):
                    raise SiteChanged("the page has it only in new chats")
        finally:
            if not chosen:
                self._operator.say("The page does not show which model it had chosen: check that before you use it.")
            elif chosen not in tried:
                await new_chat()
                await chooser.choose(chosen)
        return SeenMenu(menu, tuple(names), tried, is_shown)

    async def _chosen(self, menu: Menu, found: Sequence[MenuEntry], models: Sequence[str]) -> str:
        """Return the name of the entry that the page has chosen; empty if nothing shows it."""
        if (element := await self._page.find(menu.open)) is not None:
            async with held(element):
                if (native := await native_list(element)) is not None:
                    # a choice that is not an entry is only a placeholder
                    return native.chosen if any(one.name == native.chosen for one in found) else ""
        if menu.state is not None:
            return next(one.name for one in found if one.state.get(menu.state.attribute or "") in ON)
        return chosen_entry(found, await self._page.texts(menu.open), models)


def _state(found: Sequence[MenuEntry]) -> State | None:
    """Return the state that shows which entry is chosen: an attribute that is on for exactly one of them."""
    for name in USUAL:
        chosen = [one.state[name] for one in found if one.state.get(name) in ON]
        if len(chosen) == 1:
            return State(attribute=name, on=chosen[0])
    return None
