// One answer on its way: the stream that carries it, and the second stream when the first falls silent.

import { call } from "./api.js";
import { DeltaParser } from "./delta.js";
import { strikes } from "./faults.js";
import { FetchStream } from "./fetch_stream.js";
import { boot } from "./markup.js";
import { AnswerStream } from "./stream.js";

const NOT_RUNNING = 22;

export class Turn {
  #stream = null;
  #delta = null;
  #abandoned = false;
  #resumed = null;
  #hidesButton = false;

  constructor(chat, entry) {
    Object.assign(this, { chat, entry, ids: null, wantsMore: false });
  }

  // Ask for the answer and show it while it comes; ends with the last stream.
  async run(path, body, headers) {
    try {
      await this.#carry(path, body, headers);
    } catch (error) {
      if (!error.isCut || !this.ids || this.#abandoned) throw error;
      await this.#recover(error);
    }
    while (this.#resumed) {
      const resumed = this.#resumed;
      this.#resumed = null;
      await resumed;
    }
    this.wantsMore = Boolean(this.entry.message?.auto_continue) && this.entry.message.status === "INCOMPLETE";
  }

  stop() {
    if (!this.ids) return;
    call("POST", "chat/stop_stream", this.#address()).catch(() => {});
  }

  abandon() {
    this.#abandoned = true;
    this.#stream?.abort();
  }

  // Take up an answer whose connection broke: by its stream while that is written, then from the history.
  async #recover(cut) {
    try {
      await this.#carry("chat/resume_stream", this.#address());
    } catch (error) {
      if (error.bizCode !== NOT_RUNNING) throw cut;
      const { chat_messages: messages } = await call("GET", `chat/history_messages?chat_session_id=${this.chat.id}`);
      const message = messages.find((one) => one.message_id === this.ids.response_message_id);
      if (message?.status !== "FINISHED") throw cut;
      this.entry.message = message;
      this.chat.list.touch(this.entry);
    }
  }

  #address() {
    return { chat_session_id: this.chat.id, message_id: this.ids.response_message_id };
  }

  async #carry(path, body, headers) {
    const handlers = { event: (event) => this.#take(event), quiet: () => this.#resume() };
    const Stream = boot.page === "heavy" ? FetchStream : AnswerStream;
    const stream = new Stream(handlers, this.chat.page.resumeAfter);
    this.#stream = stream;
    this.#delta = new DeltaParser();
    await stream.open(path, body, headers);
  }

  #resume() {
    if (this.#abandoned || this.#resumed || !this.ids) return;
    const former = this.#stream;
    this.#resumed = this.#carry("chat/resume_stream", this.#address()).finally(() => former.abort());
    this.#resumed.catch(() => {});
  }

  #take({ name, data }) {
    if (this.#abandoned) return;
    if (name === "ready") this.#ready(data);
    else if (name === "title") this.chat.page.titled(this.chat.id, data.content);
    else if (name === "hint" || name === "toast") this.chat.hint(this, data, name === "hint");
    else if (name === "message") this.#patch(data);
  }

  #ready(ids) {
    this.ids = ids;
    this.#hidesButton = strikes("stop_icon_unreliable") !== null;
    this.chat.page.setPhase(this.#hidesButton ? "send" : "stop");
  }

  #patch(data) {
    this.#delta.feed(data);
    const { response } = this.#delta.state;
    if (!response) return;
    this.entry.message = response;
    this.chat.list.touch(this.entry);
    if (this.#hidesButton) this.chat.page.setPhase(thinks(response) ? "send" : "stop");
  }
}

function thinks({ fragments }) {
  return fragments.at(-1)?.type === "THINK";
}
