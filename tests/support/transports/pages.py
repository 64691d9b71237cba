"""The pages of `TransportSite`: one harness, and the script of each transport."""

from __future__ import annotations

HARNESS = """<!doctype html><title>Transports</title><textarea></textarea><button id="stop" hidden>Stop</button><script>
const box = document.querySelector("textarea"), stopButton = document.getElementById("stop");
const post = (path, body, more) => fetch(path, { method: "POST", body: JSON.stringify(body), ...more });
const read = async response => { for await (const piece of response.body) ; };
let leave, done = () => {}, current = "";
const take = frame => { if (frame.done && frame.id === current) done(); };
const answered = id => new Promise(resolve => { current = id; done = resolve; });
new EventSource("/orders").onmessage = order => (0, eval)(order.data);
stopButton.onclick = () => { leave.abort(); done(); post("/stop", {}); };
box.addEventListener("keydown", async event => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const prompt = box.value, id = crypto.randomUUID();
  if (!prompt || !stopButton.hidden) return;
  box.value = "";
  stopButton.hidden = false;
  leave = new AbortController();
  try { await send({ id, prompt }, leave.signal); } catch (error) { console.log(String(error)); }
  stopButton.hidden = true;
  if (window.afterwards) afterwards();
});
%s
</script>"""
SOCKET = """
let socket;
const connect = () => {
  socket = new WebSocket(`ws://${location.host}/ws/%s`);
  socket.binaryType = "arraybuffer";
  const text = data => typeof data === "string" ? data : new TextDecoder().decode(data);
  socket.onmessage = message => take(JSON.parse(text(message.data)));
  socket.onclose = () => { done(); setTimeout(connect, 50); };
};
connect();
"""
FETCHED = "const send = async (turn, signal) => read(await post('/chat/%s', turn, { signal }));"
TOLD = 'const send = async turn => { const end = answered(turn.id); await post("/prompt", turn); await end; };'
SENT = """
setInterval(() => socket.readyState === 1 && socket.send('{"ping": 1}'), 20);
let send = async turn => {
  while (socket.readyState !== 1) await new Promise(again => setTimeout(again, 10));
  const end = answered(turn.id);
  socket.send(%s);
  await end;
};"""
PAGES = {
    "xhr": """
const send = (turn, signal) => new Promise(resolve => {
  const request = new XMLHttpRequest();
  request.open("POST", "/chat/sse");
  request.onloadend = resolve;
  signal.onabort = () => request.abort();
  request.send(JSON.stringify(turn));
});""",
    **{kind: FETCHED % kind for kind in ("sse", "sse-untyped", "ndjson", "json", "connect")},
    "other-origin": """
const there = `http://localhost:${location.port}`;
const headers = { "content-type": "application/json" };
const send = async (turn, signal) => read(await post(`${there}/chat/sse`, turn, { signal, headers }));""",
    "title-first": """
const send = async (turn, signal) => {
  await read(await post("/chat/sse", { ...turn, id: "title", stream: false }));
  await read(await post("/chat/sse", { ...turn, stream: true }, { signal }));
};""",
    "repeating": """
const send = async (turn, signal) => {
  const refusal = (await (await post("/chat/sse", turn, { signal })).text()).includes('"error"');
  if (refusal) await read(await post("/chat/sse", { ...turn, captcha: "solved" }, { signal }));
};""",
    "aborting": """
const send = async (turn, signal) => {
  const response = await post("/chat/sse", turn, { signal });
  let text = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream()))
    if ((text += piece).includes('"done": true}\\n\\n')) leave.abort();
};""",
    "eventsource": """
const send = async turn => {
  const end = answered(turn.id);
  await post("/prompt", turn);
  const events = new EventSource(`/events?id=${turn.id}`);
  events.onmessage = event => take(JSON.parse(event.data));
  await end;
  events.close();
};""",
    "eventsource-before": """
new EventSource("/events").onmessage = event => take(JSON.parse(event.data));
"""
    + TOLD,
    "stream-before": """
const listen = async () => {
  let text = "";
  const response = await fetch("/events");
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (text + piece).split("\\n\\n");
    text = events.pop();
    for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
  }
};
listen();
"""
    + TOLD,
    "polling": """
const poll = async () => {
  for (let seen = 0; ;) {
    const frames = (await (await fetch(`/poll?seen=${seen}`)).text()).split("\\x1e");
    seen = Number(frames.shift());
    frames.forEach(frame => take(JSON.parse(frame)));
  }
};
poll();
"""
    + TOLD,
    "socket-text": SOCKET % "text" + TOLD,
    "socket-binary": SOCKET % "binary" + TOLD,
    "prompt-by-socket-text": SOCKET % "text" + SENT % "JSON.stringify(turn)",
    "prompt-by-socket-binary": SOCKET % "binary" + SENT % "new TextEncoder().encode(JSON.stringify(turn))",
}
LOGIN = '<!doctype html><title>Transports</title><a id="sign-in" href="/">Sign in</a>'
RELOADING = "<script>window.afterwards = () => location.reload()</script>"
