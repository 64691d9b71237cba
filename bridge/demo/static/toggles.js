// The two switches under the text box; what they show lags behind what they mean.

import { between, h, toggleClass } from "./dom.js";
import { strikes } from "./faults.js";
import { icon } from "./icons.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

const INITIAL = { thinkingEnabled: false, searchEnabled: true };

export class Toggle {
  constructor(name, label, picture, forget) {
    this.name = name;
    this.shown = INITIAL[name];
    this.on = forget ? INITIAL[name] : stored(name);
    this.node = h(
      "div.ds-toggle-button.ds-toggle-button--m",
      { role: "button", tabindex: "0", onclick: () => this.#flip() },
      icon(picture),
      h("span", {}, label),
    );
    this.#draw();
    this.#settle();
  }

  #flip() {
    this.on = !this.on;
    localStorage.setItem(this.name, JSON.stringify(this.on));
    this.#settle();
    const reset = strikes("toggles_reset");
    if (reset) setTimeout(() => this.#fallBack(), reset.seconds * 1000);
  }

  #fallBack() {
    this.on = !this.on;
    this.#settle();
  }

  #settle() {
    setTimeout(() => {
      this.shown = this.on;
      this.#draw();
    }, between(boot.toggleSettle));
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
    const value = JSON.parse(localStorage.getItem(name));
    return Boolean(value?.value ?? value ?? INITIAL[name]);
  } catch {
    return INITIAL[name];
  }
}
