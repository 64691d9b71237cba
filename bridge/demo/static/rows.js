// The rows of the message list: what the user wrote, and what came of it.

import { button, h, toggleClass } from "./dom.js";
import { HeavyMarkdown } from "./heavy_markdown.js";
import { icon } from "./icons.js";
import { Markdown } from "./markdown.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

const Drawing = boot.page === "heavy" ? HeavyMarkdown : Markdown;
const TEXT_TYPES = ["RESPONSE", "TEMPLATE_RESPONSE", "ANSWER"];
const SEARCH_TYPES = ["SEARCH", "TOOL_SEARCH"];

export function drawRow(entry, chat) {
  const row = entry.role === "USER" ? new UserRow(entry, chat) : new AssistantRow(entry, chat);
  row.update();
  return row;
}

function tool(name, onclick) {
  return button(".ds-button--icon.ds-button--s", { icon: icon(name), onclick });
}

class UserRow {
  constructor(entry, chat) {
    Object.assign(this, { entry, chat });
    this.text = h("div.app-prompt");
    this.message = h("div.app-user-message.ds-message.app-message", {}, this.text);
    this.error = h("div.app-error");
    this.tools = h(
      "div.ds-flex.app-user-tools",
      {},
      tool("copy", () => this.#copy()),
      tool("edit", () => this.#edit()),
    );
    this.node = h("div.app-row.app-user-row", {}, this.message, this.tools);
  }

  update() {
    const { key, prompt, error, files } = this.entry;
    this.node.setAttribute("data-virtual-list-item-key", key);
    this.text.textContent = prompt;
    if (files?.length)
      this.text.prepend(
        h(
          "div.app-chips",
          {},
          files.map((f) => h("span.app-chip", {}, f.file_name)),
        ),
      );
    if (error) this.#showError(error);
    else this.error.remove();
  }

  #showError(error) {
    const retry = button(".ds-button--text.ds-button--s", {
      text: texts.retry,
      onclick: () => this.chat.retry(this.entry),
    });
    this.error.replaceChildren(h("span", {}, error), retry);
    this.message.after(this.error);
  }

  #copy() {
    navigator.clipboard?.writeText(this.entry.prompt);
  }

  #edit() {
    if (this.chat.busy) return;
    const field = h("textarea", { rows: "2" });
    field.value = this.entry.prompt;
    const leave = () => {
      box.replaceWith(this.message);
      this.tools.hidden = false;
    };
    const send = () => {
      leave();
      this.chat.edit(this.entry, field.value);
    };
    const buttons = h(
      "div.ds-flex.app-edit-buttons",
      {},
      button(".ds-button--secondary.ds-button--s", { text: texts.cancel, onclick: leave }),
      button(".ds-button--primary.ds-button--s", { text: texts.send, onclick: send }),
    );
    const box = h("div.app-edit", {}, h("div.ds-textarea.ds-textarea--bordered", {}, field), buttons);
    this.message.replaceWith(box);
    this.tools.hidden = true;
    field.focus();
  }
}

class AssistantRow {
  #thinking = null;

  constructor(entry, chat) {
    Object.assign(this, { entry, chat });
    this.answer = h("div.ds-markdown.ds-assistant-message-main-content");
    this.markdown = new Drawing(this.answer, (style, number) => linkOf(entry.message, style, number));
    this.message = h("div.ds-message.app-message");
    this.toolbar = h("div.ds-flex.app-toolbar", {}, this.#tools());
    this.more = button(".ds-button--secondary.ds-button--m.app-continue", {
      text: texts.continue,
      onclick: () => chat.continue(entry),
    });
    this.node = h("div.app-row.app-assistant-row.app-wide", {}, this.message);
  }

  update() {
    const { key, message, live } = this.entry;
    const fragments = message?.fragments ?? [];
    this.node.setAttribute("data-virtual-list-item-key", key);
    this.#drawThinking(fragments, live);
    const text = fragments.filter((f) => TEXT_TYPES.includes(f.type)).map((f) => f.content ?? "");
    if (!text.length) this.answer.remove();
    else if (this.answer.parentNode !== this.message) this.message.append(this.answer);
    this.markdown.render(text.join(""));
    toggleClass(this.message, "app-live", Boolean(live));
    this.#finish(live, message?.status);
  }

  #finish(live, status) {
    if (live) {
      this.toolbar.remove();
      this.more.remove();
      return;
    }
    if (status === "INCOMPLETE") this.node.append(this.more);
    else this.more.remove();
    this.node.append(this.toolbar);
  }

  #tools() {
    const noop = () => {};
    return [
      tool("copy", () => navigator.clipboard?.writeText(this.answer.innerText)),
      tool("redo", () => this.chat.regenerate(this.entry)),
      tool("like", noop),
      tool("dislike", noop),
      tool("share", noop),
    ];
  }

  #drawThinking(fragments, live) {
    const thoughts = fragments.filter((f) => f.type === "THINK");
    const found = fragments.filter((f) => SEARCH_TYPES.includes(f.type));
    if (!thoughts.length && !found.length) {
      this.#thinking?.node.remove();
      this.#thinking = null;
      return;
    }
    this.#thinking ??= this.#makeThinking();
    const writing = live && !fragments.some((f) => TEXT_TYPES.includes(f.type));
    this.#thinking.title.textContent = headline(thoughts, found, writing);
    if (!thoughts.length) this.#thinking.body.hidden = true;
    this.#thinking.markdown.render(thoughts.map((f) => f.content ?? "").join(""));
  }

  #makeThinking() {
    const text = h("div.ds-markdown");
    const body = h("div.ds-think-content", {}, text);
    const title = h("span");
    const fold = () => (body.hidden = !body.hidden);
    const head = h("div.app-think-title", { onclick: fold }, icon("think"), title);
    const node = h("div.app-think", {}, head, body);
    this.message.prepend(node);
    return { node, title, body, markdown: new Drawing(text) };
  }
}

function headline(thoughts, found, writing) {
  const searching = found.some((f) => f.status === "WIP");
  if (searching) return texts.reading;
  if (found.length && !writing) return texts.read(found.reduce((n, f) => n + (f.results?.length ?? 0), 0));
  if (writing) return texts.thinking;
  const seconds = thoughts.reduce((sum, f) => sum + (f.elapsed_secs ?? 0), 0);
  return texts.thought(Math.max(1, Math.round(seconds)));
}

// The page a citation points to.
function linkOf(message, style, number) {
  const fragments = message?.fragments ?? [];
  if (style === "citation") {
    const results = fragments.flatMap((f) => (SEARCH_TYPES.includes(f.type) ? (f.results ?? []) : []));
    return results.find((r) => r.cite_index === number)?.url ?? null;
  }
  const response = fragments.find((f) => f.type === "RESPONSE");
  const origin = response?.references?.[number]?.id;
  return fragments.find((f) => f.id === origin)?.result?.url ?? null;
}
