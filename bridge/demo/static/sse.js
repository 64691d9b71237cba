// Server-sent events out of pieces of text.

export class EventParser {
  #rest = "";
  #name = "";
  #data = [];

  // Take the next piece and return the events that are now complete.
  feed(text) {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return null;
    const [field, value] = line.split(/: ?(.*)/s);
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #dispatch() {
    const event = this.#data.length ? { name: this.#name || "message", data: JSON.parse(this.#data.join("\n")) } : null;
    this.#name = "";
    this.#data = [];
    return event;
  }
}
