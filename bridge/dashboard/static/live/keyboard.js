// The keyboard, through a text field that nobody sees: keys go as keys; what an input method, dead keys or an on-screen
// keyboard make goes as text. Nothing that is typed is kept here.

import { modifiers } from "./pointer.js";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const ALT = 1, CONTROL = 2, META = 4;
const LONGEST = 100_000;
// The field is never empty, so that an on-screen keyboard's backspace changes something.
const FILL = "\u200b\u200b";
const KEYS = { deleteContentBackward: "Backspace", deleteWordBackward: "Backspace", deleteContentForward: "Delete", insertLineBreak: "Enter", insertParagraph: "Enter" };

export class Keyboard {
  #field;
  #send;
  #down = new Map();
  #composing = false;
  #afterDead = false;

  constructor(field, send, { leave, tooLong }) {
    this.#field = field;
    this.#send = send;
    this.#reset();
    field.addEventListener("keydown", (event) => {
      if (event.key === "F6") {
        event.preventDefault();
        leave();
      } else this.#pressed(event);
    });
    field.addEventListener("keyup", (event) => this.#released(event));
    field.addEventListener("blur", () => this.releaseAll());
    field.addEventListener("compositionstart", () => (this.#composing = true));
    field.addEventListener("compositionupdate", ({ data }) => send("compose", { text: (data ?? "").slice(0, 1000) }));
    field.addEventListener("compositionend", ({ data }) => {
      this.#composing = this.#afterDead = false;
      send("text", { text: (data ?? "").slice(0, LONGEST) });
      this.#reset();
    });
    field.addEventListener("input", (event) => this.#put(event));
    field.addEventListener("paste", (event) => {
      event.preventDefault();
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text.length > LONGEST) tooLong();
      else if (text) send("text", { text });
    });
    for (const name of ["copy", "cut"])
      field.addEventListener(name, (event) => {
        event.preventDefault();
        send("copy", { cut: name === "cut" });
      });
  }

  // Let go of all keys that are down, which another window may have taken the release of.
  releaseAll() {
    for (const message of this.#down.values()) this.#send("key", { ...message, kind: "up", repeat: false });
    this.#down.clear();
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
  }

  // What is selected here is nothing: the page's own selection is asked for. A paste comes as an event of its own.
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

  #put(event) {
    if (this.#composing || event.isComposing) return;
    this.#afterDead = false;
    const text = this.#field.value.replaceAll("\u200b", "");
    const key = KEYS[event.inputType];
    if (key) for (const kind of ["down", "up"]) this.#send("key", { kind, key, code: key, mods: 0 });
    else if (text && event.inputType !== "insertCompositionText" && event.inputType !== "insertFromComposition") this.#send("text", { text });
    this.#reset();
  }

  #reset() {
    this.#field.value = FILL;
    this.#field.setSelectionRange(FILL.length, FILL.length);
  }
}

// AltGr is no command, and on a Mac the command key does what Control does elsewhere.
function mods(event) {
  const found = modifiers(event);
  if (event.getModifierState?.("AltGraph")) return found & ~(ALT | CONTROL);
  return MAC && found & META ? (found & ~META) | CONTROL : found;
}
