// One streamed answer, read by fetch piece by piece, as many front ends do; has the same methods as `AnswerStream`.

import { unwrap } from "./api.js";
import { EventParser } from "./sse.js";
import { addressOf, headersOf, heartbeatLimit, isStream } from "./stream.js";

export class FetchStream {
  #controller = new AbortController();
  #parser = new EventParser();
  #timer = 0;

  constructor(handlers, resumeAfter) {
    this.handlers = handlers;
    this.resumeAfter = resumeAfter;
  }

  async open(path, body, headers = {}) {
    try {
      const asked = { method: "POST", headers: await headersOf(headers), body: JSON.stringify(body) };
      const response = await fetch(addressOf(path), { ...asked, signal: this.#controller.signal });
      if (isStream(response.headers.get("content-type"))) await this.#read(response);
      else unwrap(response.status, await response.text());
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error instanceof TypeError) error.isCut = true;
      throw error;
    } finally {
      clearTimeout(this.#timer);
    }
  }

  abort() {
    this.#controller.abort();
  }

  async #read(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const allowed = heartbeatLimit(response.headers.get("x-ds-sse-heartbeat-timeout-secs"));
    for (let piece; !(piece = await reader.read()).done;) {
      clearTimeout(this.#timer);
      if (allowed) this.#timer = setTimeout(() => this.handlers.quiet(), allowed + this.resumeAfter);
      for (const event of this.#parser.feed(piece.value)) this.handlers.event(event);
    }
  }
}
