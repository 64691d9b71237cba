// A button with a menu, with the usual keys: arrows, Home, End and Escape.

import { html, useLayoutEffect, useRef, useState } from "../html.js";
import { Icon } from "./icons.js";

const GAP = 4;

// `items` are {label, icon, run | href, danger, disabled}, or null for a separator.
export function Menu({ label, items }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return html`<span class="menu-holder">
    <button ref=${button} class="button quiet small icon" aria-label=${label} aria-haspopup="menu"
      aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}><${Icon} name="more" /></button>
    ${isOpen && html`<${Items} label=${label} items=${items} anchor=${button} close=${close}
      hide=${() => setOpen(false)} />`}
  </span>`;
}

function Items({ label, items: now, anchor, close, hide }) {
  const list = useRef(null);
  const [items] = useState(now); // the items at opening: none may move away under a pointer
  useLayoutEffect(() => {
    const menu = list.current;
    menu.showPopover();
    place(menu, anchor.current.getBoundingClientRect());
    entries(menu)[0]?.focus();
    const outside = (event) => menu.contains(event.target) || anchor.current.contains(event.target) || hide();
    addEventListener("pointerdown", outside);
    addEventListener("resize", hide);
    document.addEventListener("scroll", hide, { capture: true, passive: true });
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("resize", hide);
      document.removeEventListener("scroll", hide, { capture: true });
    };
  }, []);
  const onKeyDown = (event) => onKey(event, list.current, close, hide);
  return html`<div ref=${list} popover="manual" class="menu" role="menu" aria-label=${label} onKeyDown=${onKeyDown}>
    ${items.map((item, index) => (item ? entry(item, index, close) : html`<hr key=${index} />`))}
  </div>`;
}

function entry({ label, icon, run, href, danger, disabled }, index, close) {
  const name = `menu-item ${danger ? "danger" : ""}`;
  const inner = html`<${Icon} name=${icon} />${label}`;
  if (href) return html`<a key=${index} class=${name} role="menuitem" tabindex="-1" href=${href}>${inner}</a>`;
  const onClick = () => {
    close();
    run();
  };
  return html`<button key=${index} class=${name} role="menuitem" tabindex="-1" disabled=${disabled}
    onClick=${onClick}>${inner}</button>`;
}

function entries(menu) {
  return [...menu.querySelectorAll("[role=menuitem]:not(:disabled)")];
}

function onKey(event, menu, close, hide) {
  const all = entries(menu);
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab") return hide();
  if (event.key === "Escape") close();
  else if (to !== undefined) all.at(to % all.length)?.focus();
  else return undefined;
  event.preventDefault();
  return event.stopPropagation();
}

// Places the menu below the button, aligned with its right edge, or above it if there is no room.
function place(menu, anchor) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isBelow = anchor.bottom + GAP + height <= innerHeight || anchor.top < height;
  const top = isBelow ? anchor.bottom + GAP : anchor.top - height - GAP;
  menu.style.top = `${Math.max(GAP, Math.min(top, innerHeight - height - GAP))}px`;
  menu.style.left = `${Math.max(GAP, Math.min(anchor.right - width, innerWidth - width - GAP))}px`;
}
