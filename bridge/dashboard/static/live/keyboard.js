// The keyboard, read through a hidden text field. Keys are sent as keys. Changes of the field by an input method, dead
// keys or an on-screen keyboard are sent as the difference: backspaces and a text. The field keeps the last words written
// that way, so that an on-screen keyboard can correct them, until another input comes or the field loses the focus.

import { modifiers } from "./pointer.js";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const ALT = 1, CONTROL = 2, META = 4;
const LONGEST = 100_000;
const LONGEST_COMPOSED = 1000;
const MOST_KEPT = 200;
// The field is never empty, so that an on-screen keyboard's backspace always changes it.
const SPACE = "\u200b";
const FILL = SPACE + SPACE;

export class Keyboard {
  #field;
  #send;
  // The content of the field that was sent to the page.
  #sent = FILL;
  // The unfinished composition that the page shows.
  #composed = "";
  #down = new Map();
  #composing = false;
  #afterDead = false;

  constructor(field, send, { leave, tooLong }) {
    this.#field = field;
    this.#send = send;
    this.forget();
    field.addEventListener("keydown", (event) => {
      if (event.key === "F6") {
        event.preventDefault();
        leave();
      } else this.#pressed(event);
    });
    field.addEventListener("keyup", (event) => this.#released(event));
    field.addEventListener("blur", () => {
      this.releaseAll();
      this.forget();
    });
    field.addEventListener("compositionstart", () => (this.#composing = true));
    field.addEventListener("compositionend", () => {
      this.#composing = this.#afterDead = false;
      this.#write();
    });
    field.addEventListener("input", (event) => {
      this.#composing &&= event.isComposing;
      this.#write();
    });
    field.addEventListener("paste", (event) => {
      event.preventDefault();
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text.length > LONGEST) return tooLong();
      this.forget();
      if (text) send("text", { text });
    });
    for (const name of ["copy", "cut"])
      field.addEventListener(name, (event) => {
        event.preventDefault();
        send("copy", { cut: name === "cut" });
      });
  }

  // Releases all keys that are down, because another window may have got their release.
  releaseAll() {
    for (const message of this.#down.values()) this.#send("key", { ...message, kind: "up", repeat: false });
    this.#down.clear();
  }

  // Empties the field: the page's caret may be elsewhere now.
  forget() {
    this.#sent = this.#field.value = FILL;
    this.#field.setSelectionRange(FILL.length, FILL.length);
  }

  #pressed(event) {
    const { key } = event;
    if (event.isComposing || event.keyCode === 229 || ["Dead", "Process", "Unidentified", "Compose"].includes(key)) {
      this.#afterDead = key === "Dead";
      return;
    }
    if (this.#afterDead && key.length === 1) return; // the accented letter comes as text
    const command = MAC ? event.metaKey : event.ctrlKey;
    if (command && !event.altKey && ["c", "x", "v", "C", "X", "V"].includes(key)) return this.#clipboard(event);
    event.preventDefault();
    const message = { key: MAC && key === "Meta" ? "Control" : key.slice(0, 32), code: event.code.slice(0, 32), mods: mods(event), location: event.location };
    this.#down.set(event.code, message);
    this.#send("key", { ...message, kind: "down", repeat: event.repeat });
    this.forget();
  }

  // The selection is in the page, so the page's selected text is requested. A paste has its own event.
  #clipboard(event) {
    const key = event.key.toLowerCase();
    if (key === "v") return;
    event.preventDefault();
    this.#send("copy", { cut: key === "x" });
  }

  #released(event) {
    const message = this.#down.get(event.code);
    if (!message) return;
    event.preventDefault();
    this.#down.delete(event.code);
    this.#send("key", { ...message, mods: mods(event), kind: "up", repeat: false });
  }

  // Brings the page up to date with the field; text that is still composed is sent as a composition.
  #write() {
    const now = this.#field.value;
    this.#takeBack(graphemes(now));
    const added = now.slice(this.#sent.length);
    if (this.#composing) return this.#compose(added);
    this.#afterDead = false;
    if (!added) this.#compose("");
    this.#composed = "";
    this.#put(added);
    this.#sent = now;
    if (!now.startsWith(FILL) || now.includes("\n") || now.length > MOST_KEPT) this.forget();
  }

  // Deletes the sent text from the first difference to the field on.
  #takeBack(now) {
    const sent = graphemes(this.#sent);
    const differs = sent.findIndex((one, place) => one !== now[place]);
    if (differs < 0) return;
    const gone = sent.slice(differs);
    this.#sent = sent.slice(0, differs).join("");
    this.#compose("");
    const strokes = gone.filter((one) => one !== SPACE).map(strokesOf).reduce((sum, one) => sum + one, gone.includes(SPACE) ? 1 : 0);
    for (let stroke = 0; stroke < strokes; stroke++) this.#stroke("Backspace");
  }

  #compose(text) {
    if (text !== this.#composed) this.#send("compose", { text: text.slice(0, LONGEST_COMPOSED) });
    this.#composed = text;
  }

  #put(added) {
    added.replaceAll(SPACE, "").split("\n").forEach((line, number) => {
      if (number) this.#stroke("Enter");
      if (line) this.#send("text", { text: line.slice(0, LONGEST) });
    });
  }

  #stroke(key) {
    for (const kind of ["down", "up"]) this.#send("key", { kind, key, code: key, mods: 0 });
  }
}

const SEGMENTS = new Intl.Segmenter();
const graphemes = (text) => Array.from(SEGMENTS.segment(text), ({ segment }) => segment);

// Backspaces that a browser needs for one grapheme: an emoji goes at once, a letter needs one for each of its marks.
const strokesOf = (grapheme) =>
  /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(grapheme) ? 1 : [...grapheme.replaceAll("\ufe0f", "")].length;

// AltGr does not count as Alt and Control, and on a Mac the command key counts as Control.
function mods(event) {
  const found = modifiers(event);
  if (event.getModifierState?.("AltGraph")) return found & ~(ALT | CONTROL);
  return MAC && found & META ? (found & ~META) | CONTROL : found;
}
