// The least that every page of the site does: a conversation with the first prompt, then the answer as a stream.

const post = (path, body) => fetch(`/api/v0/${path}`, {
  method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body),
});
let conversation = null, parent = null;

export function restart() {
  conversation = parent = null;
}

async function read(response, show) {
  const frames = (await response.text()).split("\n\n").filter(frame => frame.startsWith("data: "))
    .map(frame => JSON.parse(frame.slice(6)));
  const snapshot = frames.find(frame => frame.v?.response).v.response;
  let text = snapshot.fragments[0].content, status = snapshot.status;
  for (const {p, v} of frames) {
    if (p === "response/status") status = v;
    else if (typeof v === "string") text += v;
  }
  parent = snapshot.message_id;
  show(text, status);
}

export async function send(prompt, {thinking = false, search = false}, path, show) {
  const parent_message_id = parent;
  if (!conversation) {
    conversation = (await (await post("chat_session/create", {})).json()).data.biz_data.chat_session.id;
    history.pushState({}, "", path(conversation));
  }
  const switches = {thinking_enabled: thinking, search_enabled: search};
  const body = {chat_session_id: conversation, parent_message_id, prompt, ref_file_ids: [], ...switches};
  await read(await post("chat/completion", body), show);
}

export async function goOn(show) {
  await read(await post("chat/continue", {chat_session_id: conversation, message_id: parent}), show);
}
