// The panel of a site that is being learned: the prompt to send, the fields that were found, and the test chats.

import { BASE, download, post } from "../api.js";

const ENDED = ["learned", "unproven", "failed"];
const KINDS = { certain: "ok", guessed: "warn", "needs you": "bad" };
const ORDER = ["needs you", "guessed", "certain"];
const WORKING = ["opening", "chatting", "proving"];
const CHATS = ["a long answer", "lines, other scripts and code", "an answer that is stopped"];
const byId = (id) => document.getElementById(id);

// Creates an element; texts are set as text, and null children are left out.
function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

export class Lesson {
  #panel = byId("lesson");
  #path;
  #notice;
  #copy;
  #seen = {};

  // `notice` shows a message for some seconds; `copy` puts a text on the clipboard.
  constructor(id, notice, copy) {
    this.#path = `learnings/${encodeURIComponent(id)}`;
    this.#notice = notice;
    this.#copy = copy;
    byId("lesson-copy").onclick = () => this.#copy(byId("lesson-prompt").textContent);
    byId("lesson-send").onclick = () => this.#attempt(() => post(`${this.#path}/send`));
    byId("lesson-file").onclick = () => this.#attempt(() => download("GET", `${this.#path}/file`, "site.toml"));
    byId("lesson-login").onsubmit = (event) => {
      event.preventDefault();
      this.#attempt(() => this.#logIn());
    };
  }

  // Draws what has changed; an unchanged list keeps its scroll position.
  show(about, page) {
    const isOver = ENDED.includes(about.state);
    this.#panel.hidden = false;
    document.body.classList.toggle("lesson-only", page !== "open");
    this.#draw("message", [about.message, about.state], () => {
      byId("lesson-message").textContent = about.message;
      byId("lesson-message").className = `notice ${{ learned: "ok", unproven: "warn", failed: "bad" }[about.state] ?? "info"}`;
      this.#panel.setAttribute("aria-busy", String(WORKING.includes(about.state)));
    });
    byId("lesson-ask").hidden = !about.prompt;
    this.#draw("prompt", about.prompt, () => (byId("lesson-prompt").textContent = about.prompt));
    byId("lesson-end").hidden = !isOver || !about.file;
    byId("lesson-path").textContent = about.file;
    this.#draw("proofs", [about.proofs, about.state, about.file], () => this.#proofs(about, isOver));
    this.#draw("fields", about.fields, () => this.#fields(about.fields));
    this.#seen.name = about.name;
  }

  #draw(part, value, draw) {
    const text = JSON.stringify(value);
    if (this.#seen[part] === text) return;
    this.#seen[part] = text;
    draw();
  }

  #proofs({ proofs, file }, isOver) {
    byId("lesson-proofs").hidden = !file;
    byId("lesson-chats").replaceChildren(
      ...[...proofs.map(({ name }) => name), ...CHATS.filter((name) => proofs.every((proof) => proof.name !== name))].map((name, number) => {
        const done = proofs.find((proof) => proof.name === name);
        const isNext = !isOver && number === proofs.length;
        const [kind, word] = done ? (done.failure ? ["bad", "failed"] : ["ok", "passed"]) : isNext ? ["info working", "running"] : ["", isOver ? "not run" : "waiting"];
        return made("li", {}, made("span", { className: `badge ${kind}`, textContent: word }), made("span", {}, name, done?.failure ? made("span", { className: "soft", textContent: `: ${done.failure}` }) : null));
      }),
    );
  }

  #fields(fields) {
    byId("lesson-found").hidden = !fields.length;
    const counts = ORDER.map((one) => [one, fields.filter(({ certainty }) => certainty === one).length]);
    byId("lesson-counts").textContent = counts.filter(([, count]) => count).map(([one, count]) => `${count} ${one}`).join(", ");
    const sorted = ORDER.flatMap((one) => fields.filter(({ certainty }) => certainty === one));
    byId("lesson-fields").replaceChildren(
      ...sorted.map(({ field, certainty, why }) =>
        made(
          "li",
          {},
          made("span", { className: `badge ${KINDS[certainty] ?? ""}`, textContent: certainty }),
          made("span", {}, made("span", { className: "mono", textContent: field }), why ? made("span", { className: "soft", textContent: ` ${why}` }) : null),
        ),
      ),
    );
  }

  async #logIn() {
    const { id } = await post("logins", { name: byId("lesson-account").value.trim(), site: this.#seen.name });
    location.assign(new URL(`dashboard/live?${new URLSearchParams({ login: id })}`, BASE));
  }

  async #attempt(work) {
    try {
      await work();
    } catch ({ message }) {
      this.#notice("bad", message);
    }
  }
}
