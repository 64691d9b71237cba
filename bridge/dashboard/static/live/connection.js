// The WebSocket of the view: reconnects by itself, and passes pictures, messages and its own state to `on`.

const PAUSES = [300, 1000, 2000, 5000];
const POLICY = 1008;
const MOVED = 4001; // another node has the page or is about to take it
const HEAD = 8;

export class Connection {
  url; // address of the next connection
  #on;
  #socket = null;
  #tries = 0;
  #timer = 0;

  constructor(url, on) {
    this.url = url;
    this.#on = on;
    this.#open();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(type, more = {}) {
    if (this.isOpen) this.#socket.send(JSON.stringify({ type, ...more }));
  }

  sendBytes(bytes) {
    if (this.isOpen) this.#socket.send(bytes);
  }

  // Bytes that are not sent yet.
  get waiting() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  #open() {
    const socket = (this.#socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#tries = 0;
      this.#on.open();
    };
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#on.message(JSON.parse(data)) : this.#picture(data));
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code === POLICY) this.#on.refused(reason || "The bridge closed this view.");
      else this.#again(code === MOVED ? reason : "");
    };
  }

  #picture(data) {
    const head = new DataView(data, 0, HEAD);
    const jpeg = new Blob([new Uint8Array(data, HEAD)], { type: "image/jpeg" });
    this.#on.picture({ number: head.getUint32(0), width: head.getUint16(4), height: head.getUint16(6), jpeg });
  }

  #again(reason) {
    this.#on.lost(this.#tries, reason);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), PAUSES[Math.min(this.#tries++, PAUSES.length - 1)]);
  }
}
