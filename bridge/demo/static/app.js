// The page: which view an address shows, and what ties the views together.

import { call, keepToken, signals, token } from "./api.js";
import { logo } from "./brand.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { signed } from "./device_key.js";
import { announce } from "./dialog.js";
import { h, toggleClass } from "./dom.js";
import { hangUp, listen, loadFaults, strikes } from "./faults.js";
import { rename } from "./markup.js";
import { ModelPicker } from "./models.js";
import { Sidebar } from "./sidebar.js";
import { signIn } from "./sign_in.js";
import { formatUntil, texts } from "./texts.js";
import { notices, toast } from "./toast.js";

const CONVERSATION = /^\/a\/chat\/s\/([\w-]+)$/;

class App {
  #leaveForm = () => {};
  #chat = null;

  constructor(root) {
    this.root = root;
    signals.addEventListener("signedout", () => this.signOut());
    addEventListener("popstate", () => this.show());
    addEventListener("keydown", (event) => {
      if (event.ctrlKey && event.key === "j") this.go("/");
    });
  }

  go(path, { replace = false } = {}) {
    if (location.pathname !== path) history[replace ? "replaceState" : "pushState"]({}, "", path);
    this.show();
  }

  show() {
    this.#leaveForm();
    if (!token()) {
      if (location.pathname !== "/sign_in") history.replaceState({}, "", "/sign_in");
      this.#close();
      this.main = null;
      this.#leaveForm = signIn(this.root, () => this.go("/"));
    } else if (location.pathname === "/sign_in") this.go("/", { replace: true });
    else if (this.main) this.#openChat();
    else this.#start();
  }

  signOut() {
    keepToken(null);
    hangUp();
    this.go("/sign_in");
  }

  async #start() {
    this.root.replaceChildren(h("div.app-center", {}, h("div.ds-loading")));
    try {
      await this.#load();
    } catch {
      if (token()) toast(texts.busy);
    }
  }

  async #load() {
    const [user, main, model] = await Promise.all([
      call("GET", "users/current", undefined, await signed(token())),
      call("GET", "client/settings?did=&scope=main"),
      call("GET", "client/settings?did=&scope=model"),
      loadFaults(),
    ]);
    listen();
    this.renamed = strikes("renamed_controls");
    if (this.renamed?.classes) rename(this.renamed);
    this.user = user;
    this.resumeAfter = main.settings.sse_auto_resume_timeout.value;
    this.models = model.settings.model_configs.value.filter((config) => config.enabled);
    this.sidebar = new Sidebar({
      newChat: (event) => this.#newChat(event),
      open: (id) => this.go(`/a/chat/s/${id}`),
      logOut: () => this.#logOut(),
      removed: (id) => id === this.#chat?.id && this.go("/"),
    });
    this.sidebar.setUser(user);
    this.main = h("div.app-main");
    const strays = strikes("edit_box") ? strayEditBox() : "";
    this.root.replaceChildren(h("div.app-layout", {}, this.sidebar.root, strays, this.main));
    if (strikes("announcement")) announce();
    this.#openChat();
    await this.sidebar.refresh();
  }

  #close() {
    this.#chat?.close();
    this.#chat = null;
  }

  async #openChat() {
    this.#close();
    const id = CONVERSATION.exec(location.pathname)?.[1] ?? null;
    const chat = (this.#chat = new Chat(this, id));
    this.picker = new ModelPicker(this.models, (model) => this.composer.setModel(model));
    const actions = {
      ready: () => chat.ready,
      send: (prompt, files) => this.#send(prompt, files),
      stop: () => chat.stop(),
    };
    this.composer = new Composer(actions, this.models[0], this.renamed);
    this.home = h("div.app-home", {}, h("h1.app-greeting", {}, logo(), texts.greeting), this.picker.root);
    this.foot = h("div.app-foot", {}, texts.disclaimer);
    this.main.replaceChildren(chat.list.root, this.home, this.composer.root, this.foot);
    const unknown = strikes("unknown_control");
    if (unknown) {
      const controls = { ...this.composer.controls, new_chat: this.sidebar.newChat };
      controls[unknown.control].replaceWith(h("div", {}, "Florp"));
    }
    this.#arrange(id);
    if (this.user.chat.is_muted) this.muted(this.user.chat.mute_until);
    if (id) await this.#fill(chat);
  }

  async #fill(chat) {
    try {
      const session = await chat.load();
      const model = this.models.find((one) => one.model_type === session.model_type);
      if (model) this.composer.setModel(model);
    } catch {
      if (token() && chat === this.#chat) {
        toast(texts.gone);
        this.go("/", { replace: true });
      }
    }
  }

  #arrange(id) {
    const inside = id !== null;
    toggleClass(this.main, "app-inside", inside);
    if (inside) this.home.remove();
    this.sidebar.mark(id);
  }

  #send(prompt, files) {
    this.composer.clear();
    this.#chat.send(prompt, files);
  }

  #newChat(event) {
    const pretends = strikes("new_chat_pretends");
    if (pretends && (pretends.trusted || !event.isTrusted)) history.pushState({}, "", "/");
    else this.go("/");
  }

  async #logOut() {
    await call("POST", "users/logout", {}).catch(() => {});
    this.signOut();
  }

  // What a chat asks of the page.

  setPhase(phase) {
    this.composer.setPhase(phase);
  }

  started(id) {
    history.pushState({}, "", `/a/chat/s/${id}`);
    this.#arrange(id);
  }

  titled(id, title) {
    this.sidebar.refresh().then(
      () => this.sidebar.rename(id, title),
      () => {},
    );
  }

  muted(until) {
    const text = h("div.ds-alert__content", {}, texts.muted(formatUntil(until)));
    this.composer.root.replaceWith(h("div.ds-alert.ds-alert--warning.ds-alert--bordered", {}, text));
  }

  model() {
    return this.composer.model.model_type;
  }

  switches() {
    const search = this.composer.model.search_feature !== null && this.composer.search.on;
    return { thinking_enabled: this.composer.think.on, search_enabled: search };
  }
}

// A text box that is not the composer.
function strayEditBox() {
  return h(
    "div.ds-textarea.ds-textarea--bordered.app-stray",
    {},
    h("textarea", { rows: "1", placeholder: texts.placeholder }),
  );
}

const app = new App(document.getElementById("root"));
document.body.append(notices);
app.show();
