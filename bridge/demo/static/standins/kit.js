// The page of a stand-in. Each site's script says what the page looks like and what it sends; this makes it work.

import { richText, textArea } from "./editors.js";
import { $, $$, element, toast } from "./widgets.js";

export { $, $$, element };
export const boot = JSON.parse(document.getElementById("boot").textContent);

const FORM = `<form class="dialog"><div><input name="user" placeholder="user"><input name="password" type="password"
  placeholder="password"><button type="submit">OK</button></div></form>`;

export class Page {
  constructor(site) {
    this.site = site;
    this.state = { conversation: "", parent: null, thinking: false, search: false, model: "", files: [] };
    this.isBusy = false;
    this.isSignedIn = false;
    this.isUploading = false;
  }

  async begin() {
    const site = this.site;
    document.body.insertAdjacentHTML("beforeend", site.html);
    $$("[data-in], [data-out]").forEach((node) => (node.hidden = true));
    this.box = $(site.box);
    this.makeEditor();
    site.setup?.(this);
    await this.learnWho();
    await this.showConversation();
    setTimeout(() => this.comeAlive(), site.hydration ?? 0);
  }

  makeEditor() {
    const { kind = "textarea", enter = "send", ...options } = this.site.editor ?? {};
    const onKey = (event) => {
      if (event.key !== "Enter" || event.shiftKey || enter === "line") return;
      event.preventDefault();
      if (enter === "send") this.send();
    };
    const make = kind === "textarea" ? textArea : richText;
    this.editor = make(this.box, { ...options, onKey, onChange: () => this.draw() });
  }

  comeAlive() {
    const { site } = this;
    this.isAlive = true;
    $(site.send).addEventListener("click", (event) => {
      if (site.realClicks && !(event.isTrusted && event.detail)) return;
      if (this.isBusy && site.stopClass) this.stop();
      else this.send();
    });
    if (site.stop) $(site.stop).addEventListener("click", () => this.stop());
    if (site.newChat) $(site.newChat).addEventListener("click", () => this.startAnew());
    this.draw();
  }

  draw() {
    const { site } = this;
    const send = $(site.send);
    const isEmpty = !this.editor.text().trim();
    const isOff = (isEmpty || this.isUploading) && !(this.isBusy && site.stopClass);
    if (site.offClass) send.classList.toggle(site.offClass, isOff);
    else send.toggleAttribute("disabled", isOff);
    if (site.stopClass) send.classList.toggle(site.stopClass, this.isBusy);
    if (site.stop) $(site.stop).hidden = !this.isBusy;
    if (site.hidesSend) send.hidden = this.isBusy;
  }

  // Who is signed in.

  get token() {
    return (boot.login.storage && localStorage.getItem(boot.login.storage)) || "";
  }

  headers() {
    const own = { "x-page": boot.secret };
    if (boot.login.in === "bearer") own.authorization = `Bearer ${this.token}`;
    else if (boot.login.in === "token") own.token = this.token;
    return own;
  }

  async learnWho() {
    const response = await fetch(boot.login.who, { headers: this.headers() });
    if (response.headers.has("x-new-token"))
      localStorage.setItem(boot.login.storage, response.headers.get("x-new-token"));
    this.isSignedIn = response.headers.get("x-signed-in") === "yes";
    await response.text(); // until its body is read, the browser has no whole answer
    $$("[data-in]").forEach((node) => (node.hidden = !this.isSignedIn));
    const showOut = () => $$("[data-out]").forEach((node) => (node.hidden = this.isSignedIn));
    setTimeout(showOut, this.site.late ?? 0);
    $$("[data-signs-in]").forEach((node) => node.addEventListener("click", () => this.signIn()));
  }

  signIn() {
    const form = element(FORM);
    document.body.append(form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = JSON.stringify(Object.fromEntries(new FormData(form)));
      const response = await fetch("/page/sign-in", { method: "POST", body: given });
      if (!response.ok) return toast("wrong user or password", this.site.notice);
      if (boot.login.storage) localStorage.setItem(boot.login.storage, (await response.json()).token);
      location.reload();
    });
  }

  // Conversations.

  async showConversation() {
    const id = this.site.idOf?.(location);
    if (!id) return;
    const response = await fetch(`/page/history?id=${encodeURIComponent(id)}&token=${this.token}`, {
      headers: this.headers(),
    });
    if (!response.ok) return this.goHome();
    const thread = await response.json();
    Object.assign(this.state, { conversation: thread.id, parent: thread.last });
    for (const { role, text } of thread.messages) this.addRow(role).text(text);
  }

  goHome() {
    history.replaceState(null, "", this.site.home ?? "/");
  }

  startAnew() {
    this.stop();
    Object.assign(this.state, { conversation: "", parent: null, files: [] });
    this.clearFiles?.();
    $(this.site.rows.list).replaceChildren();
    this.goHome();
    this.editor.clear();
    this.draw();
  }

  setConversation(id) {
    this.state.conversation = id;
    const place = () => id === this.state.conversation && history.replaceState(null, "", this.site.chatAt(id));
    if (this.provisional) setTimeout(place, this.site.swapsAfter ?? 0);
    else place();
    this.provisional = false;
  }

  // One turn.

  async send() {
    const text = this.editor.text();
    if (!this.isAlive || this.isBusy || this.isUploading || !text.trim() || $(".dialog:not([hidden])")) return;
    if (await this.site.before?.(this)) return;
    const isFirst = this.state.parent === null;
    this.isBusy = true;
    this.aborting = new AbortController();
    this.addRow("user").text(text);
    this.editor.clear();
    if (isFirst && this.site.provisional) {
      history.replaceState(null, "", this.site.provisional());
      this.provisional = true;
    }
    try {
      this.row = this.addRow("assistant");
      this.clearFiles?.();
      await this.site.chat(this, text, isFirst);
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, this.site.notice);
    }
    this.isBusy = false;
    this.state.files = [];
    this.draw();
    this.site.after?.(this, isFirst);
  }

  addRow(role) {
    const { rows } = this.site;
    const node = element(rows[role]);
    $(rows.list).append(node);
    const part = (selector) => (selector && $(selector, node)) || node;
    return {
      node,
      text: (text) => (part(rows.text).textContent = text),
      thinking: (text) => rows.thinking && (part(rows.thinking).textContent = text),
    };
  }

  get signal() {
    return this.isBusy ? this.aborting.signal : undefined;
  }

  stop() {
    if (!this.isBusy) return;
    this.aborting.abort();
    this.site.stopped?.(this);
  }

  // The network.

  async call(method, path, body) {
    const json = { "content-type": "application/json" };
    const init = { method, headers: { ...this.headers(), ...(body && json) } };
    const response = await fetch(path, { ...init, body: body && JSON.stringify(body), signal: this.signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.json();
  }

  // Sends the prompt, and yields the frames of the answer as `read` finds them in its body.
  async *ask(read, { path = boot.path, query = "", body, headers = {}, method = "POST", streams = /event-stream|connect/ }) {
    const response = await fetch(`${boot.other}${path}${query}`, {
      method,
      body,
      headers: { ...this.headers(), ...headers },
      signal: this.aborting.signal,
      credentials: boot.other ? "include" : "same-origin",
    });
    if (!response.ok) throw new Error(this.site.leavesRefusals ? `HTTP ${response.status}` : await response.text());
    if (!streams.test(response.headers.get("content-type"))) throw new Error(await response.text());
    yield* read(response.body);
  }
}

export async function run(site) {
  await new Page(site).begin();
}
