// Emohaa: nothing is known of its page; this is a guess.

import { events } from "./frames.js";
import { run } from "./kit.js";

const HTML = `
<nav><button type="button" class="new-chat">New chat</button><span class="me" data-in>Me</span>
  <button type="button" class="login" data-out data-signs-in>登录</button></nav>
<main>
  <div class="conversation" data-rows></div>
  <textarea placeholder="和 Emohaa 说说吧"></textarea>
  <button type="button" class="send">发送</button>
  <button type="button" class="stop">停止</button>
</main>`;

async function chat(page, text, isFirst) {
  const { state } = page;
  if (isFirst) page.setConversation((await page.call("GET", "/echo-prod/generate/id?create=true")).id);
  const values = { token: page.token, cid: state.conversation, prompt: text, role: "echo", xts: "1", xid: "i", xreal: "r" };
  const query = `?${new URLSearchParams(values)}`;
  let said = "";
  for await (const { data } of page.ask(events, { method: "GET", query }))
    if (data !== "[DONE]") page.row.text((said += data));
  state.parent = "known";
}

run({
  html: HTML,
  box: "textarea",
  send: ".send",
  hidesSend: true,
  stop: ".stop",
  newChat: ".new-chat",
  chatAt: (id) => `/?cid=${id}`,
  idOf: ({ search }) => new URLSearchParams(search).get("cid"),
  rows: {
    list: ".conversation",
    user: `<div class="mine"><div class="text"></div></div>`,
    assistant: `<div class="theirs"><div class="text"></div></div>`,
    text: ".text",
  },
  chat,
});
