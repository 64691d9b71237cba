// MiniMax: a rich editor whose Enter makes no conversation, and a stream of another origin, which stays open.

import { events, parsed } from "./frames.js";
import { $, run } from "./kit.js";
import { toggle } from "./widgets.js";

const HTML = `
<aside><div class="new-task">New Task</div><span class="user-detail" data-in>Me</span>
  <button type="button" class="sign-in" data-out data-signs-in>Sign in</button></aside>
<main>
  <div id="message-container" data-rows></div>
  <div class="tiptap ProseMirror tiptap-editor" contenteditable="true"></div>
  <button type="button" class="thinking-variant" aria-pressed="false">Thinking</button>
  <div id="input-send-icon" class="disabled">↑</div>
</main>`;

async function chat(page, text, isFirst) {
  const { state } = page;
  if (isFirst) page.setConversation((await page.call("POST", "/minimax-cloud/api/v1/agent/1001/session", {})).session_id);
  const model = { provider_id: "minimax", model_id: "MiniMax-M3", variant: state.thinking ? "thinking" : "" };
  const body = JSON.stringify({ content: text, model, turn_id: `${Date.now()}`, worktreeMode: false });
  const headers = { "content-type": "application/json", "x-timestamp": `${Date.now()}`, "x-signature": "s", yy: "y" };
  const path = `/minimax-cloud/api/v1/session/${state.conversation}/message`;
  const parts = { said: "", thought: "" };
  for await (const { data } of page.ask(events, { path, body, headers })) if (read(page, parsed(data), parts)) break;
  state.parent = "known";
}

function read(page, frame, parts) {
  const { agent_message: whole, agent_message_chunk: piece } = frame ?? {};
  if (whole?.finish_reason === "error") throw new Error(whole.msg_content);
  if (!piece) return false;
  page.row.text((parts.said += piece.msg_content));
  page.row.thinking((parts.thought += piece.thinking_content ?? ""));
  return piece.finish;
}

run({
  html: HTML,
  box: ".tiptap-editor",
  editor: { kind: "rich", enter: "nothing" },
  send: "#input-send-icon",
  offClass: "disabled",
  stopClass: "stop-generation",
  newChat: ".new-task",
  late: 600,
  chatAt: (id) => `/mavis?id=${id}`,
  idOf: ({ search }) => new URLSearchParams(search).get("id"),
  rows: {
    list: "#message-container",
    user: `<div class="message sent"><div class="message-content text"></div></div>`,
    assistant: `<div class="message"><div class="thinking"></div><div class="message-content text"></div></div>`,
    text: ".text",
    thinking: ".thinking",
  },
  setup: (page) => toggle($(".thinking-variant"), "aria-pressed", (on) => (page.state.thinking = on)),
  chat,
});
