// Dialogs above the picture: the page's dialogs and native controls, and the view's own questions. Texts are set as text.

const byId = (id) => document.getElementById(id);

export class Overlay {
  #dialog = byId("dialog");
  #done = null;
  #after;
  // The name of what is shown now, by which it can be removed.
  shown = null;

  // `after` is called when the overlay is gone.
  constructor(after) {
    this.#after = after;
    // Not a submit button: Enter presses the first submit button of a form.
    byId("dialog-no").onclick = () => this.#dialog.close("no");
    this.#dialog.addEventListener("cancel", () => (this.#dialog.returnValue = "no"));
    this.#dialog.addEventListener("close", () => this.#closed());
  }

  // Asks a question; resolves to whether the answer is yes, or to null if the question was removed.
  ask(name, { title, text = "", field = null, yes = "OK", no = "Cancel" }) {
    this.take();
    byId("dialog-title").textContent = title;
    byId("dialog-text").textContent = text;
    byId("dialog-text").hidden = !text;
    byId("dialog-field").replaceChildren(...(field ? [field] : []));
    byId("dialog-yes").textContent = yes;
    byId("dialog-no").textContent = no ?? "";
    byId("dialog-no").hidden = no === null;
    this.shown = name;
    this.#dialog.returnValue = "no";
    this.#dialog.showModal();
    (field?.querySelector?.("select, input, textarea") ?? byId("dialog-yes")).focus();
    return new Promise((resolve) => (this.#done = resolve));
  }

  accept() {
    this.#dialog.close("yes");
  }

  // Removes what is shown, if it is `name`.
  take(name = this.shown) {
    if (!this.shown || name !== this.shown) return;
    const done = this.#done;
    this.#done = this.shown = null;
    this.#dialog.close("no");
    done?.(null);
  }

  #closed() {
    const done = this.#done;
    this.#done = null;
    if (done) {
      this.shown = null;
      byId("dialog-field").querySelectorAll("input[type=text], input[type=password]").forEach((one) => one.blur());
      done(this.#dialog.returnValue === "yes");
    }
    if (!this.#dialog.open) this.#after();
  }
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function labelled(label, field) {
  return element("label", { className: "field" }, element("span", { textContent: label }), field);
}

// A list instead of a native one; resolves to the index of the chosen option, or null.
export async function choose(overlay, { label, options }) {
  const rows = Math.max(2, Math.min(options.length, 10));
  const list = element("select", { className: "input", size: rows, id: "choice" });
  const groups = new Map();
  options.forEach((option, index) => {
    const made = element("option", { value: String(index), textContent: option.text || "\u00a0", disabled: option.disabled, selected: option.selected });
    if (!option.group) return list.append(made);
    if (!groups.has(option.group)) list.append(groups.set(option.group, element("optgroup", { label: option.group })).get(option.group));
    groups.get(option.group).append(made);
  });
  list.addEventListener("dblclick", () => overlay.accept());
  list.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      overlay.accept();
    }
  });
  const answer = await overlay.ask("control", { title: label || "Choose", field: labelled("Options", list), yes: "Choose" });
  return answer && list.selectedIndex >= 0 ? Number(list.value) : null;
}

const NAMES = { date: "Date", time: "Time", "datetime-local": "Date and time", month: "Month", week: "Week", color: "Colour" };
const SUGGESTIONS = "suggestions";

// A date, time or colour, entered with this browser's own control; resolves to the value, or null.
export async function enter(overlay, { kind, label, value, min, max, step }) {
  const field = element("input", { className: "input", type: kind, id: "choice", min, max, value });
  if (step) field.step = step;
  const answer = await overlay.ask("control", { title: label || NAMES[kind], field: labelled(NAMES[kind], field), yes: "Set" });
  return answer ? field.value : null;
}

// A text with suggestions, typed or chosen; resolves to the text, or null.
export async function suggest(overlay, { mode, label, value, options }) {
  const field = element("input", { className: "input", type: "text", inputMode: mode, id: "choice", value, autocomplete: "off", spellcheck: false });
  field.setAttribute("list", SUGGESTIONS);
  const list = element("datalist", { id: SUGGESTIONS }, ...options.map((one) => element("option", { value: one.value, label: one.text })));
  const answer = await overlay.ask("control", { title: label || "Text", field: labelled(`Written or chosen, of ${options.length}`, element("span", {}, field, list)), yes: "Set" });
  return answer ? field.value.slice(0, 2000) : null;
}

const TITLES = { alert: "The page says", confirm: "The page asks", prompt: "The page asks", beforeunload: "Leave this page?" };

// A JavaScript dialog of the page; resolves to {accept, text}, or null.
export async function dialog(overlay, { id, kind, text, value }) {
  const field = kind === "prompt" ? element("input", { className: "input", type: "text", value, id: "choice" }) : null;
  const words = kind === "beforeunload" ? "Text that was entered there may be lost." : text;
  const answer = await overlay.ask(`ask ${id}`, {
    title: TITLES[kind] ?? TITLES.alert,
    text: words,
    field: field && labelled("Answer", field),
    yes: kind === "beforeunload" ? "Leave" : "OK",
    no: kind === "alert" ? null : kind === "beforeunload" ? "Stay" : "Cancel",
  });
  return answer === null ? null : { accept: answer || kind === "alert", text: field?.value ?? "" };
}

// The page's file chooser; resolves to the files, an empty list for none, or null.
export async function files(overlay, { id, multiple, most }) {
  const field = element("input", { className: "input", type: "file", multiple, id: "choice" });
  const limit = `At most ${Math.round(most / 2 ** 20)} MiB together.`;
  const answer = await overlay.ask(`ask ${id}`, {
    title: multiple ? "The page asks for files" : "The page asks for a file",
    text: limit,
    field: labelled("From this device", field),
    yes: "Send",
  });
  return answer === null ? null : answer ? [...field.files] : [];
}

// Shows the selected text for copying by hand, if the browser does not allow access to the clipboard.
export async function clipboard(overlay, text) {
  const field = element("textarea", { className: "input", readOnly: true, value: text, rows: 6, id: "choice" });
  const asked = overlay.ask("clipboard", { title: "Selected text", field: labelled("Copy it from here", field), yes: "Done", no: null });
  field.select();
  await asked;
}
