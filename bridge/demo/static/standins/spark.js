// Spark: an advertisement first, and a page of which nothing else is known: its text box and buttons are a guess.

import { events } from "./frames.js";
import { $, run } from "./kit.js";

const HTML = `
<nav><div class="new-session">新建对话</div><span class="ant-dropdown-trigger" data-in>Me</span>
  <div class="header_login_btn__x1" data-out data-signs-in>登录</div></nav>
<div class="dialog welcome"><div><h1>讯飞星火</h1><button type="button" class="begin">开始对话</button></div></div>
<main id="chat-content-wrapper">
  <div class="chat_chatContainer__x1" data-rows></div>
  <textarea placeholder="在此输入您想了解的内容"></textarea>
  <button type="button" class="chat_send__x1">发送</button>
  <button type="button" class="chat_stop__x1">停止输出</button>
</main>`;

function setup() {
  $(".begin").addEventListener("click", () => {
    sessionStorage.begun = "yes";
    $(".welcome").hidden = true;
  });
  $(".welcome").hidden = Boolean(sessionStorage.begun);
}

async function chat(page, text, isFirst) {
  const { state } = page;
  if (isFirst) {
    const made = await page.call("POST", "/iflygpt/u/chat-list/v1/create-chat-list", { showType: "2" });
    page.setConversation(String(made.data.id));
  }
  const fields = {
    fd: "1",
    isBot: "0",
    clientType: "1",
    text,
    chatId: state.conversation,
    ...(isFirst ? { firstChat: "true" } : { sid: state.parent }),
    options: JSON.stringify({ chatOption: { thinkPattern: "fast_think", routeVersion: "legacy" } }),
  };
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  const parts = { said: "", isOver: false, failed: false };
  for await (const { data } of page.ask(events, { body })) read(page, data, parts);
}

function read(page, data, parts) {
  if (data === "[geeError]") throw new Error("请完成验证");
  if (parts.failed) throw new Error(JSON.parse(data).descr);
  if (data === "[error]") parts.failed = true;
  else if (data === "<end>") parts.isOver = true;
  else if (data.endsWith("<sid>")) page.state.parent = data.slice(0, -5);
  else if (!parts.isOver && /^[\w+/=]+$/.test(data)) page.row.text((parts.said += decoded(data)));
}

function decoded(data) {
  return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
}

run({
  html: HTML,
  box: "textarea",
  hydration: 600,
  send: ".chat_send__x1",
  hidesSend: true,
  stop: ".chat_stop__x1",
  newChat: ".new-session",
  late: 500,
  home: "/desk",
  chatAt: (id) => `/desk?chat=${id}`,
  idOf: ({ search }) => new URLSearchParams(search).get("chat"),
  rows: {
    list: ".chat_chatContainer__x1",
    user: `<div class="chat_question__x1"><div class="text"></div></div>`,
    assistant: `<div class="chat_answer__x1"><div class="text"></div></div>`,
    text: ".text",
  },
  setup,
  chat,
});
