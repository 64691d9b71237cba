// The two switches under the text box; what they show lags behind what they mean.

import { after, h, toggleClass } from "./dom.js";
import { strikes } from "./faults.js";
import { icon } from "./icons.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

const INITIAL = { thinkingEnabled: false, searchEnabled: true };
const { clicks, kept } = boot.toggles;
const KEY = kept ? (name) => name : (name) => `draft:${name}`;

// What a click does, by `clicks`: "at_once" it counts now and shows later; "late" it counts later, too, as what was
// kept does after a load; while one of these is under way, further clicks are "ignored", or taken back ("undone").
export class Toggle {
  #timer = 0;

  constructor(name, label, picture, forget) {
    this.name = name;
    this.shown = this.on = INITIAL[name];
    this.node = h(
      "div.ds-toggle-button.ds-toggle-button--m",
      { role: "button", tabindex: "0", onclick: () => this.#click() },
      icon(picture),
      h("span", {}, label),
    );
    this.#draw();
    this.#settle(forget ? INITIAL[name] : stored(name));
  }

  #click() {
    if (this.#timer && clicks === "ignored") return;
    if (this.#timer && clicks === "undone") {
      this.on = this.shown = !this.on;
      this.#draw();
      return;
    }
    this.#settle(!this.target, { keep: true });
    const reset = strikes("toggles_reset");
    if (reset) setTimeout(() => this.#settle(!this.target), reset.seconds * 1000);
  }

  #settle(target, { keep = false } = {}) {
    this.target = target;
    const take = () => {
      this.on = target;
      if (keep) localStorage.setItem(KEY(this.name), JSON.stringify(target));
    };
    if (clicks === "at_once") take();
    clearTimeout(this.#timer);
    this.#timer = after(boot.toggleSettle, () => {
      this.#timer = 0;
      if (clicks !== "at_once") take();
      this.shown = this.on;
      this.#draw();
    });
  }

  #draw() {
    toggleClass(this.node, "ds-toggle-button--selected", this.shown);
    this.node.setAttribute("aria-pressed", String(this.shown));
  }
}

// The two toggles of one composer.
export function makeToggles() {
  const forget = strikes("toggles_forget") !== null;
  const think = new Toggle("thinkingEnabled", texts.think, "think", forget);
  return { think, search: new Toggle("searchEnabled", texts.search, "search", forget) };
}

function stored(name) {
  try {
    const value = JSON.parse(localStorage.getItem(KEY(name)));
    return Boolean(value?.value ?? value ?? INITIAL[name]);
  } catch {
    return INITIAL[name];
  }
}
