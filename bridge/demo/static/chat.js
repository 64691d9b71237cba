// One conversation on the page: its messages, and the one answer that may be on its way.

import { ApiError, call } from "./api.js";
import { HeavyList } from "./heavy_list.js";
import { boot } from "./markup.js";
import { COMPLETION, prefetchProof, takeProof } from "./pow.js";
import { drawRow } from "./rows.js";
import { texts } from "./texts.js";
import { toast } from "./toast.js";
import { Turn } from "./turn.js";
import { VirtualList } from "./virtual_list.js";

const NOT_RUNNING = 22;

export class Chat {
  #turn = null;

  // Page: setPhase(phase), started(id), titled(id, title), muted(until), model(), switches(), resumeAfter.
  constructor(page, id = null) {
    this.page = page;
    this.id = id;
    this.ready = id === null; // whether its messages are known
    this.entries = [];
    const List = boot.page === "heavy" ? HeavyList : VirtualList;
    this.list = new List((entry) => drawRow(entry, this));
    prefetchProof(COMPLETION);
  }

  get busy() {
    return this.#turn !== null;
  }

  async load() {
    const { chat_session: session, chat_messages: messages } = await call(
      "GET",
      `chat/history_messages?chat_session_id=${this.id}`,
    );
    const byId = new Map(messages.map((message) => [message.message_id, message]));
    const branch = [];
    for (let at = byId.get(session.current_message_id); at; at = byId.get(at.parent_id)) branch.unshift(at);
    this.entries = branch.map(entryOf);
    this.ready = true;
    this.list.set(this.entries);
    this.list.pin();
    const last = this.entries.at(-1);
    if (last?.message?.status === "WIP") this.#takeUp(last);
    return session;
  }

  async send(prompt, files = []) {
    const parent = this.entries.findLast((entry) => entry.role === "ASSISTANT")?.message.message_id ?? null;
    const asked = { key: -1, role: "USER", prompt, files };
    await this.#perform(asked, this.entries, async () => {
      const first = this.id === null;
      if (first) await this.#create();
      const body = {
        chat_session_id: this.id,
        parent_message_id: parent,
        model_type: first ? this.page.model() : null,
        prompt,
        ref_file_ids: files.map((file) => file.id),
        ...this.page.switches(),
        action: null,
        preempt: false,
      };
      return { path: "chat/completion", body, proofFor: COMPLETION };
    });
  }

  async edit(entry, prompt) {
    const kept = this.entries.slice(0, this.entries.indexOf(entry));
    const path = "/api/v0/chat/edit_message";
    const body = { chat_session_id: this.id, message_id: entry.id, prompt, ...this.page.switches(), action: null };
    const asked = { key: -1, role: "USER", prompt, files: entry.files };
    await this.#perform(asked, kept, () => ({ path: "chat/edit_message", body, proofFor: path }));
  }

  async regenerate(entry) {
    if (this.busy) return;
    const asked = this.entries[this.entries.indexOf(entry) - 1];
    const kept = this.entries.slice(0, this.entries.indexOf(asked));
    const body = {
      chat_session_id: this.id,
      child_message_id: entry.message.message_id,
      ...this.page.switches(),
      user_options: null,
    };
    await this.#perform(asked, kept, () => ({ path: "chat/regenerate", body, proofFor: COMPLETION }));
  }

  async continue(entry) {
    if (this.busy) return;
    const body = { chat_session_id: this.id, message_id: entry.message.message_id, fallback_to_resume: true };
    await this.#run(entry, () => ({ path: "chat/continue", body }));
  }

  // Show the rest of an answer that is still being written.
  async #takeUp(entry) {
    const { message_id, parent_id } = entry.message;
    const ids = { request_message_id: parent_id, response_message_id: message_id };
    const body = { chat_session_id: this.id, message_id };
    await this.#run(entry, () => ({ path: "chat/resume_stream", body }), ids);
  }

  async retry(entry) {
    if (this.busy) return;
    this.entries = this.entries.filter((other) => other !== entry);
    await this.send(entry.prompt, entry.files);
  }

  stop() {
    this.#turn?.stop();
  }

  // Leave the page's conversation; an answer that is on its way is left to itself.
  close() {
    this.#turn?.abandon();
    this.#turn = null;
  }

  async #create() {
    const { chat_session: session } = await call("POST", "chat_session/create", {});
    if (!this.busy) throw new Error("left");
    this.id = session.id;
    this.page.started(session.id);
  }

  async #perform(asked, kept, request) {
    if (this.busy) return;
    const answer = { key: -2, role: "ASSISTANT", message: null, asked };
    asked.error = null;
    this.entries = [...kept, asked, answer];
    await this.#run(answer, request);
  }

  async #run(entry, request, ids = null) {
    entry.live = true;
    this.list.set(this.entries);
    this.list.touch(entry);
    this.list.pin();
    this.page.setPhase(ids ? "stop" : "spin");
    const turn = (this.#turn = new Turn(this, entry));
    turn.ids = ids;
    let failure = null;
    try {
      const { path, body, proofFor } = await request();
      const proof = proofFor ? { "x-ds-pow-response": await takeProof(proofFor) } : {};
      await turn.run(path, body, proof);
    } catch (error) {
      failure = error;
    }
    if (this.#turn === turn) this.#end(turn, failure);
  }

  #end(turn, failure) {
    const { entry } = turn;
    this.#turn = null;
    this.page.setPhase("send");
    prefetchProof(COMPLETION);
    entry.live = false;
    if (failure?.bizCode === NOT_RUNNING) turn.wantsMore = false;
    else if (failure) this.#explain(turn, failure);
    else if (!entry.message && entry.asked && !entry.asked.error) entry.asked.error = texts.busy;
    if (!entry.message) this.entries = this.entries.filter((other) => other !== entry);
    else if (turn.ids) this.#number(turn, entry);
    for (const touched of [entry, entry.asked]) if (touched) this.list.touch(touched);
    this.list.set(this.entries);
    if (turn.wantsMore) this.continue(entry);
  }

  #number({ ids }, entry) {
    entry.key = ids.response_message_id;
    if (entry.asked) entry.asked.key = entry.asked.id = ids.request_message_id;
  }

  #explain(turn, failure) {
    const text = describe(failure);
    if (failure instanceof ApiError && failure.data?.is_muted) this.page.muted(failure.data.mute_until);
    if (turn.entry.asked && !turn.entry.message) turn.entry.asked.error = text;
    toast(text);
  }

  // Show what the site says in the middle of a stream.
  hint(turn, { content, clear_response: clear, type }, inline) {
    toast(content, type);
    if (!inline) return;
    if (clear || !turn.entry.message) turn.entry.message = null;
    if (turn.entry.asked) turn.entry.asked.error = content;
  }
}

function entryOf(message) {
  if (message.role === "USER") {
    const prompt = message.fragments.map((fragment) => fragment.content).join("");
    return { key: message.message_id, id: message.message_id, role: "USER", prompt, files: message.files };
  }
  return { key: message.message_id, role: "ASSISTANT", message };
}

function describe(failure) {
  if (!(failure instanceof ApiError)) return texts.interrupted;
  if (failure.code === 40005) return texts.outdated;
  if (failure.status === 429 || failure.bizCode === 7) return texts.tooFrequent;
  if (failure.bizCode === 1) return texts.gone;
  if (failure.bizCode === 9) return texts.generating;
  return texts.busy;
}
