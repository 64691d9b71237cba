// The page of Parrot: a text box whose Enter only breaks the line, and a switch.

import { lines, parsed } from "./frames.js";
import { $, run } from "./kit.js";
import { toggle } from "./widgets.js";

const HTML = `
<nav><button class="new">New perch</button><b class="me" data-in>Me</b><button class="in" data-out data-signs-in>Sign in</button></nav>
<main>
  <div class="talk" data-rows></div>
  <textarea aria-label="Say something"></textarea>
  <button class="ponder" aria-pressed="false">Ponder</button>
  <button class="squawk">Squawk</button>
  <button class="hush">Hush</button>
</main>`;

async function chat(page, text) {
  const { state } = page;
  const words = { words: text, perch: state.conversation || null, after: state.parent, ponder: state.thinking ? "yes" : "no" };
  const given = { body: JSON.stringify(words), streams: /ndjson/ };
  let said = "";
  for await (const { data } of page.ask(lines, given)) {
    const frame = parsed(data);
    if (frame.problem) throw new Error(frame.words);
    if (frame.kind === "start") {
      page.state.parent = frame.id;
      if (!state.conversation) page.setConversation(frame.perch);
    }
    if (frame.kind === "word") page.row.text((said += frame.words));
  }
}

run({
  html: HTML,
  box: "textarea",
  editor: { enter: "line" },
  send: ".squawk",
  hidesSend: true,
  stop: ".hush",
  newChat: ".new",
  late: 200,
  chatAt: (id) => `/perch/${id}`,
  idOf: ({ pathname }) => /^\/perch\/([\w-]+)/.exec(pathname)?.[1],
  rows: { list: ".talk", user: `<p class="mine"></p>`, assistant: `<p class="parrots"></p>` },
  setup: (page) => toggle($(".ponder"), "aria-pressed", (on) => (page.state.thinking = on)),
  chat,
});
