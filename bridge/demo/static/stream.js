// One streamed answer, read from an XMLHttpRequest while it arrives.

import { hif, pageHeaders, unwrap } from "./api.js";
import { strikes } from "./faults.js";
import { EventParser } from "./sse.js";

export async function headersOf(more) {
  return { ...pageHeaders(), "content-type": "application/json", "x-hif-leim": await hif(), ...more };
}

export function addressOf(path) {
  return `/api/${path === "chat/completion" && strikes("moved_completion") ? "v1" : "v0"}/${path}`;
}

export function isStream(contentType) {
  return (contentType ?? "").startsWith("text/event-stream");
}

// Milliseconds after which a stream without a heartbeat has fallen silent; 0 where the site does not say.
export function heartbeatLimit(seconds) {
  return Number(seconds) * 1000;
}

// Handlers: event({name, data}), quiet() when not even heartbeats come; resolves at the end of the stream.
export class AnswerStream {
  #xhr = new XMLHttpRequest();
  #parser = new EventParser();
  #read = 0;
  #timer = 0;

  constructor(handlers, resumeAfter) {
    this.handlers = handlers;
    this.resumeAfter = resumeAfter;
  }

  async open(path, body, headers = {}) {
    const all = await headersOf(headers);
    await new Promise((resolve, reject) => {
      const xhr = this.#xhr;
      xhr.open("POST", addressOf(path));
      for (const [name, value] of Object.entries(all)) xhr.setRequestHeader(name, value);
      xhr.onprogress = () => this.#progress(reject);
      xhr.onload = () => this.#finish(resolve, reject);
      xhr.onerror = () => this.#end(() => reject(Object.assign(new Error("interrupted"), { isCut: true })));
      xhr.onabort = () => this.#end(resolve);
      xhr.send(JSON.stringify(body));
    });
  }

  abort() {
    this.#xhr.abort();
  }

  #isStream() {
    return isStream(this.#xhr.getResponseHeader("content-type"));
  }

  #progress(reject) {
    try {
      if (this.#isStream()) this.#take();
    } catch (error) {
      this.#end(() => reject(error));
      this.abort();
    }
  }

  #take() {
    const text = this.#xhr.responseText.slice(this.#read);
    this.#read += text.length;
    this.#watch();
    for (const event of this.#parser.feed(text)) this.handlers.event(event);
  }

  #finish(resolve, reject) {
    this.#end(() => {
      try {
        if (this.#isStream()) this.#take();
        else unwrap(this.#xhr.status, this.#xhr.responseText);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  }

  #watch() {
    clearTimeout(this.#timer);
    const allowed = heartbeatLimit(this.#xhr.getResponseHeader("x-ds-sse-heartbeat-timeout-secs"));
    if (allowed) this.#timer = setTimeout(() => this.handlers.quiet(), allowed + this.resumeAfter);
  }

  #end(then) {
    then();
    clearTimeout(this.#timer);
  }
}
