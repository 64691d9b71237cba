// The text box with its switches and its one button, deaf for a while after it appears.

import { Attachments } from "./attachments.js";
import { after, controlled, h, toggleClass } from "./dom.js";
import { strikes } from "./faults.js";
import { phaseIcon } from "./icons.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";
import { toast } from "./toast.js";
import { makeToggles } from "./toggles.js";

const MEASURED = 20_000;

export class Composer {
  #phase = "send";
  #settled = false;

  // Actions: ready(), send(prompt, files), stop().
  constructor(actions, model, renamed) {
    this.actions = actions;
    this.model = model;
    Object.assign(this, makeToggles());
    const switches = { model: () => this.model, thinking: () => this.think.on };
    this.files = new Attachments(() => this.#changed(), switches);
    this.field = h("textarea.app-field", {
      placeholder: texts.placeholder,
      rows: "2",
      onkeydown: (event) => this.#key(event),
    });
    this.text = controlled(this.field, () => this.#changed());
    this.icon = h("div.ds-button__icon.ds-button__icon--last-child");
    this.button = h(
      "div.ds-button.ds-button--primary.ds-button--filled.ds-button--circle.ds-button--m.ds-button--icon-relative-m.app-send",
      { role: "button", onclick: () => this.#click() },
      h("div.ds-button__background"),
      this.icon,
    );
    const bar = h(
      "div.app-bar",
      {},
      this.think.node,
      this.search.node,
      h("div.app-spacer"),
      this.files.input,
      this.files.button,
      this.button,
    );
    this.root = h("div.app-composer", {}, this.files.chips, h("div.app-box", {}, this.field), bar);
    if (renamed) this.#rename(renamed);
    this.setModel(model);
    this.setPhase("send");
    if (strikes("file_left_over")) this.files.restore(new File(["left over"], "left-over.txt"));
    after(boot.settle, () => (this.#settled = true));
  }

  #rename({ placeholder, roles }) {
    if (placeholder) this.field.placeholder = "Ask me anything";
    if (roles) for (const node of [this.button, this.think.node, this.search.node]) node.removeAttribute("role");
  }

  // Its parts by the names that faults have for them.
  get controls() {
    return { composer: this.field, send: this.button, thinking: this.think.node, search: this.search.node };
  }

  setModel(model) {
    this.model = model;
    this.search.node.hidden = model.search_feature === null;
    this.files.button.hidden = model.file_feature === null;
    this.files.input.disabled = model.file_feature === null;
  }

  // Show one of the phases: send, spin, stop.
  setPhase(phase) {
    this.#phase = phase;
    this.icon.replaceChildren(phaseIcon(phase));
    this.#changed();
  }

  clear() {
    this.text.value = "";
  }

  #changed() {
    const sendable = this.#phase === "send" && this.text.value.trim() !== "" && !this.files.busy;
    const enabled = this.#phase === "stop" || sendable;
    toggleClass(this.button, "ds-button--disabled", !enabled);
    toggleClass(this.button, "app-disabled", !enabled);
    this.button.setAttribute("aria-disabled", String(!enabled));
    if (enabled) this.button.setAttribute("tabindex", "0");
    else this.button.removeAttribute("tabindex");
    this.#grow();
  }

  #grow() {
    const { style } = this.field;
    if (this.text.value.length > MEASURED) {
      style.height = "240px";
      return;
    }
    style.height = "auto";
    style.height = `${Math.min(this.field.scrollHeight, 240)}px`;
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (!event.isTrusted) return;
    event.preventDefault();
    if (this.#settled && strikes("enter_ignored")) return;
    this.#submit();
  }

  #click() {
    if (this.#phase === "stop") {
      if (!strikes("stop_ignored")) this.actions.stop();
    } else if (!strikes("click_ignored")) this.#submit();
  }

  #submit() {
    const prompt = this.text.value;
    if (!this.#settled || !this.actions.ready() || this.files.busy || prompt.trim() === "") return;
    if (this.#phase !== "send") {
      toast(texts.generating, "warning");
      return;
    }
    const limit = this.model.input_character_limit;
    if (prompt.length > limit) {
      toast(texts.tooLong(Math.round(((prompt.length - limit) / limit) * 100)));
      return;
    }
    this.actions.send(prompt, this.files.take());
  }
}
