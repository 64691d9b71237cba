// Mouse and touch input on the picture: mouse events are relayed as they are; one finger taps, scrolls, or after a long
// press drags, and two fingers zoom and move the picture itself.

const BUTTONS = ["left", "middle", "right", "back", "forward"];
const AGAIN_MS = 500;
const NEAR = 8;
const LONG_MS = 450;
const NOTHING = { at: 0, x: 0, y: 0, button: -1, clicks: 0 };

export const modifiers = (event) =>
  (event.altKey ? 1 : 0) | (event.ctrlKey ? 2 : 0) | (event.metaKey ? 4 : 0) | (event.shiftKey ? 8 : 0);

export class Pointer {
  #screen;
  #send;
  #last = NOTHING;
  #move = null;
  #wheel = null;
  #fingers = new Map();
  #touch = null;

  // `send` sends a message and returns whether the viewer has the controls; `focus` gets each pointerdown event.
  constructor(canvas, screen, send, focus) {
    this.#screen = screen;
    this.#send = send;
    const prevented = (handle) => (event) => {
      event.preventDefault();
      handle(event);
    };
    canvas.addEventListener("pointerdown", prevented((event) => {
      try {
        canvas.setPointerCapture(event.pointerId);
      } catch {
        // The pointer is gone already.
      }
      focus(event);
      if (event.pointerType === "touch") this.#fingerDown(event);
      else this.#button("down", event);
    }));
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") this.#fingerMove(event);
      else this.#moved(event);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (event.pointerType === "touch") this.#fingerUp(event);
      else this.#button("up", event);
    });
    canvas.addEventListener("pointercancel", (event) => this.#fingers.has(event.pointerId) && this.#fingerUp(event, true));
    canvas.addEventListener("wheel", prevented((event) => this.#rolled(event)), { passive: false });
    for (const name of ["contextmenu", "dragstart", "selectstart", "mousedown", "auxclick"]) canvas.addEventListener(name, (event) => event.preventDefault());
  }

  #clicks(event, button) {
    const { at, x, y, clicks } = this.#last;
    const near = Math.hypot(event.clientX - x, event.clientY - y) < NEAR;
    const again = button === this.#last.button && near && event.timeStamp - at < AGAIN_MS;
    this.#last = { at: event.timeStamp, x: event.clientX, y: event.clientY, button, clicks: again ? (clicks % 3) + 1 : 1 };
    return this.#last.clicks;
  }

  #button(kind, event) {
    this.#flush();
    const clicks = kind === "down" ? this.#clicks(event, event.button) : this.#last.clicks;
    const more = { button: BUTTONS[event.button] ?? "none", buttons: event.buttons & 31, clicks, mods: modifiers(event) };
    if (kind === "down") this.#send("mouse", { kind: "move", ...this.#screen.place(event), mods: more.mods });
    const isSent = this.#send("mouse", { kind, ...this.#screen.place(event), ...more });
    if (!isSent) this.#last = NOTHING; // a click without the controls must not become half of a double click
  }

  #moved(event) {
    const held = BUTTONS.findIndex((_, index) => event.buttons & (1 << index));
    const button = held < 0 ? "none" : ["left", "right", "middle", "back", "forward"][held];
    this.#later("move", { ...this.#screen.place(event), button, buttons: event.buttons & 31, mods: modifiers(event) });
  }

  // At most one move and one wheel event are sent for each animation frame.
  #later(what, message) {
    if (!this.#move && !this.#wheel) requestAnimationFrame(() => this.#flush());
    if (what === "move") this.#move = message;
    else this.#wheel = { ...message, dx: message.dx + (this.#wheel?.dx ?? 0), dy: message.dy + (this.#wheel?.dy ?? 0) };
  }

  #flush() {
    const [move, wheel] = [this.#move, this.#wheel];
    this.#move = this.#wheel = null;
    if (move) this.#send("mouse", { kind: "move", ...move });
    if (wheel) this.#send("wheel", wheel);
  }

  #rolled(event) {
    if (event.ctrlKey) return this.#screen.zoomTo(this.#screen.zoom * Math.exp(-event.deltaY / 200), { x: event.clientX, y: event.clientY });
    const unit = [1, 40, this.#screen.page.height][event.deltaMode] ?? 1;
    this.#later("wheel", { ...this.#screen.place(event), dx: event.deltaX * unit, dy: event.deltaY * unit, mods: modifiers(event) });
  }

  #fingerDown(event) {
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.#fingers.size > 1) return this.#end("pinch");
    const touch = (this.#touch = { mode: "tap", start: event, at: this.#screen.place(event) });
    touch.timer = setTimeout(() => {
      touch.mode = "drag";
      navigator.vibrate?.(15);
      this.#send("mouse", { kind: "move", ...touch.at });
      this.#send("mouse", { kind: "down", ...touch.at, button: "left", buttons: 1, clicks: 1 });
    }, LONG_MS);
  }

  #fingerMove(event) {
    const before = this.#fingers.get(event.pointerId);
    const touch = this.#touch;
    if (!before || !touch) return;
    const now = { x: event.clientX, y: event.clientY };
    if (touch.mode === "pinch") this.#pinch(event.pointerId, before, now);
    this.#fingers.set(event.pointerId, now);
    if (touch.mode === "tap" && Math.hypot(now.x - touch.start.clientX, now.y - touch.start.clientY) > NEAR) {
      clearTimeout(touch.timer);
      touch.mode = "scroll";
    }
    if (touch.mode === "scroll") {
      const { scale } = this.#screen;
      this.#later("wheel", { ...touch.at, dx: (before.x - now.x) / scale, dy: (before.y - now.y) / scale });
    }
    if (touch.mode === "drag") this.#later("move", { ...this.#screen.place(event), button: "left", buttons: 1 });
  }

  #pinch(id, before, now) {
    const other = [...this.#fingers].find(([one]) => one !== id)?.[1];
    if (!other) return;
    const distance = (one) => Math.max(20, Math.hypot(one.x - other.x, one.y - other.y));
    this.#screen.zoomTo((this.#screen.zoom * distance(now)) / distance(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    this.#screen.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  #fingerUp(event, cancelled = false) {
    const touch = this.#touch;
    this.#fingers.delete(event.pointerId);
    if (!touch) return;
    clearTimeout(touch.timer);
    this.#flush();
    if (touch.mode === "tap" && !cancelled) {
      const clicks = this.#clicks(event, 0);
      this.#send("mouse", { kind: "move", ...touch.at });
      this.#send("mouse", { kind: "down", ...touch.at, button: "left", buttons: 1, clicks });
      this.#send("mouse", { kind: "up", ...touch.at, button: "left", clicks });
    }
    if (touch.mode === "drag") this.#send("mouse", { kind: "up", ...this.#screen.place(event), button: "left", clicks: 1 });
    if (!this.#fingers.size) this.#touch = null;
  }

  #end(mode) {
    const touch = this.#touch;
    if (!touch) return;
    clearTimeout(touch.timer);
    if (touch.mode === "drag") this.#send("mouse", { kind: "up", ...touch.at, button: "left", clicks: 1 });
    touch.mode = mode;
  }
}
