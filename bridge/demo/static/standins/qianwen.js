// Qianwen: a Slate editor, a login dialog that pops up over a guest's page, and an answer from another origin.

import { spanLine } from "./editors.js";
import { events, parsed } from "./frames.js";
import { $, run } from "./kit.js";
import { dialog, toggle } from "./widgets.js";

const HTML = `
<aside><button type="button" class="new-chat">新建对话</button><span class="avatar" data-in>Me</span>
  <button type="button" data-out data-signs-in>登录</button></aside>
<main>
  <div class="turns" data-rows></div>
  <div role="textbox" contenteditable="true" data-slate-editor="true"></div>
  <button type="button" aria-label="深度思考" aria-pressed="false">深度思考</button>
  <button type="button" aria-label="发送消息">↑</button>
  <button type="button" aria-label="停止回答">■</button>
</main>`;

function setup(page) {
  toggle($("[aria-label=深度思考]"), "aria-pressed", (on) => (page.state.thinking = on));
  setTimeout(() => page.isSignedIn || popUp(page), 900);
}

function popUp(page) {
  const html = `<div role="alert-biz-modal">登录可同步历史对话<button class="go">登录</button><button class="no">×</button></div>`;
  const node = dialog(html, ".no");
  $(".go", node).addEventListener("click", () => (node.remove(), page.signIn()));
}

async function chat(page, text, isFirst) {
  const { state } = page;
  const body = JSON.stringify({
    model: "Qwen3.5-Plus",
    messages: [{ content: text, mime_type: "text/plain", meta_data: { ori_query: text } }],
    session_id: state.conversation,
    req_id: `${Date.now()}`,
    parent_req_id: state.parent ?? "0",
    scene_param: isFirst ? "first_turn" : "continue_chat",
    deep_search: state.thinking ? "1" : "0",
    protocol_version: "v2",
  });
  const query = `?biz_id=ai_qwen&chat_client=h5&nonce=n&timestamp=${Date.now()}`;
  const headers = { "content-type": "application/json" };
  for await (const { data } of page.ask(events, { body, query, headers })) read(page, parsed(data));
}

function read(page, frame) {
  if (!frame) return;
  if (frame.error_code) throw new Error(frame.error_msg);
  const { sessionid, reqid } = frame.communication;
  if (sessionid && !page.state.conversation) page.setConversation(sessionid);
  page.state.parent = reqid ?? page.state.parent;
  const message = frame.data?.messages[0];
  if (!message) return;
  page.row.text(message.content.replace("[(deep_think)]", ""));
  page.row.thinking(message.meta_data.multi_load[0]?.content.think_content ?? "");
}

run({
  html: HTML,
  box: "[role=textbox]",
  editor: { kind: "rich", enter: "send", line: spanLine("div", { "data-slate-string": "true" }) },
  send: "[aria-label=发送消息]",
  hidesSend: true,
  stop: "[aria-label=停止回答]",
  newChat: ".new-chat",
  late: 300,
  chatAt: (id) => `/chat/${id}`,
  idOf: ({ pathname }) => /^\/chat\/(\w+)/.exec(pathname)?.[1],
  rows: {
    list: ".turns",
    user: `<div data-chat-question-wrap><div class="question-text-card text"></div></div>`,
    assistant: `<div data-chat-answers-wrap><div class="thinkingContent"></div>
      <div id="qk-markdown-react" class="text"></div></div>`,
    text: ".text",
    thinking: ".thinkingContent",
  },
  setup,
  chat,
});
