// Metaso: Enter sends, and the address is provisional until the site gives the conversation a number.

import { events, parsed } from "./frames.js";
import { $, run } from "./kit.js";
import { dialog, toggle } from "./widgets.js";

const HTML = `
<nav><button type="button" class="new-search">新搜索</button>
  <img class="MuiAvatar-img" alt="me" width="20" height="20" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=#uranus" data-in>
  <button type="button" data-out data-signs-in>登录/注册</button></nav>
<main>
  <div class="results" data-rows></div>
  <textarea class="search-consult-textarea" placeholder="请输入，Enter键发送，Shift+Enter键换行"></textarea>
  <button type="button" class="long-think" aria-pressed="false">长思考</button>
  <button type="button" class="send-arrow-button">→</button>
  <button type="button" data-testid="SearchInput.StopButton">■</button>
</main>`;

async function before(page) {
  const { human } = await page.call("GET", "/api/risk");
  if (human) dialog(`<p>请完成下方拼图验证后继续</p><button class="no">×</button>`, ".no");
  return human;
}

async function chat(page, text) {
  const { state } = page;
  const message = {
    id: `temp-${Date.now().toString(16)}`,
    conversationId: state.conversation,
    parentId: state.parent,
    role: "user",
    content: text,
    markdownContent: text,
    mode: "detail",
    engineType: "",
  };
  const body = JSON.stringify({ model: state.thinking ? "fast_thinking" : "fast", stream: true, messages: [message] });
  const parts = { said: "", thought: "" };
  const headers = { "content-type": "application/json" };
  for await (const { data } of page.ask(events, { body, headers })) read(page, parsed(data), parts);
}

function read(page, frame, parts) {
  if (frame?.type === "error") throw new Error(frame.msg);
  if (frame?.type === "conversation_init") page.setConversation(frame.data.id);
  if (frame?.type === "response_message_init") page.state.parent = frame.data.id;
  const delta = frame?.choices?.[0].delta ?? {};
  page.row.text((parts.said += delta.content ?? "").replace("<span>[AI生成]</span>", ""));
  page.row.thinking((parts.thought += delta.reasoning_content ?? ""));
}

run({
  html: HTML,
  box: "textarea",
  send: ".send-arrow-button",
  hidesSend: true,
  stop: "[data-testid*=Stop]",
  newChat: ".new-search",
  late: 300,
  chatAt: (id) => `/chat/${id}`,
  idOf: ({ pathname }) => /^\/chat\/(\d+)/.exec(pathname)?.[1],
  provisional: () => `/chat/temp-${Date.now().toString(16)}`,
  swapsAfter: 200,
  rows: {
    list: ".results",
    user: `<div data-testid="_ResultTitle.span.0" class="text"></div>`,
    assistant: `<div class="MuiBox-root"><div class="reasoning"></div>
      <div class="markdown-body text" data-testid="_MarkDownContent.PComponent.0"></div></div>`,
    text: ".text",
    thinking: ".reasoning",
  },
  setup: (page) => toggle($(".long-think"), "aria-pressed", (on) => (page.state.thinking = on)),
  before,
  chat,
});
