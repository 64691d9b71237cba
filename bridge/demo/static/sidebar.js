// The bar on the left: new chat, the conversations, the user.

import { call } from "./api.js";
import { brand } from "./brand.js";
import { confirmDialog } from "./dialog.js";
import { button, h, toggleClass } from "./dom.js";
import { icon } from "./icons.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

export class Sidebar {
  #rows = [];
  #current = null;

  // Actions: newChat(event), open(id), logOut(), removed(id).
  constructor(actions) {
    this.actions = actions;
    this.newChat = h(
      "div.app-new-chat",
      { tabindex: "0", onclick: (event) => actions.newChat(event) },
      icon("plus"),
      h("span", {}, texts.newChat),
    );
    this.list = h("div.app-sessions.ds-scroll-area");
    this.user = h("div.app-user");
    this.root = h("div.app-sidebar", {}, brand(), this.newChat, this.list, this.user);
  }

  setUser(user) {
    const menu = h("div.ds-dropdown-menu.app-menu", { hidden: true });
    const option = h(
      "div.ds-dropdown-menu-option",
      { role: "menuitem", tabindex: "-1", onclick: () => this.actions.logOut() },
      texts.logOut,
    );
    menu.append(option);
    const avatar = h("img.app-avatar", { src: `/static/${boot.build}/user-avatar.svg`, alt: "" });
    const open = () => (menu.hidden = !menu.hidden);
    const face = h("div.app-user-button", { tabindex: "0", onclick: open }, avatar, h("span", {}, user.email));
    this.user.replaceChildren(menu, face);
  }

  async refresh() {
    const { chat_sessions: sessions } = await call("GET", "chat_session/fetch_page?lte_cursor.pinned=false");
    this.#rows = sessions.map((session) => this.#row(session));
    this.list.replaceChildren(sessions.length ? h("div.app-section", {}, texts.today) : "", ...this.#rows);
    this.mark(this.#current);
  }

  // Show a title that has just come.
  rename(id, title) {
    const row = this.#rows.find((node) => node.getAttribute("href") === `/a/chat/s/${id}`);
    if (row) row.firstChild.textContent = title;
  }

  mark(id) {
    this.#current = id;
    for (const row of this.#rows) toggleClass(row, "app-current", row.getAttribute("href") === `/a/chat/s/${id}`);
  }

  #row({ id, title }) {
    const menu = button(".ds-button--icon.ds-button--s.app-row-menu", {
      icon: icon("dots"),
      onclick: (event) => {
        event.preventDefault();
        event.stopPropagation();
        this.#openMenu(row, id);
      },
    });
    const open = (event) => {
      event.preventDefault();
      this.actions.open(id);
    };
    const row = h(
      "a.app-session",
      { href: `/a/chat/s/${id}`, tabindex: "0", onclick: open },
      h("div.app-session-title", {}, title ?? texts.newChat),
      menu,
    );
    return row;
  }

  #openMenu(row, id) {
    const remove = async (event) => {
      event.preventDefault();
      event.stopPropagation();
      menu.remove();
      if (!(await confirmDialog(texts.deleteAsk, texts.delete))) return;
      await call("POST", "chat_session/delete", { chat_session_id: id });
      this.actions.removed(id);
      await this.refresh();
    };
    const menu = h(
      "div.ds-dropdown-menu.app-menu.app-row-options",
      {},
      h("div.ds-dropdown-menu-option", { role: "menuitem", onclick: remove }, texts.delete),
    );
    row.append(menu);
    setTimeout(() => document.addEventListener("click", () => menu.remove(), { once: true }));
  }
}
