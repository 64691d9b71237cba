// The faults this page has to play: known from the start, then told of at once over a line of its own.

import { call, token } from "./api.js";

const AGAIN_MS = 2000;
let active = {};
let line = null;
const unsaid = []; // what has struck before there was a line

// Return the parameters of a fault that strikes now, or null; counts it.
export function strikes(name) {
  const fault = active[name];
  if (!fault || fault.left === 0) return null;
  if (fault.left !== null) fault.left -= 1;
  if (line?.readyState === WebSocket.OPEN) line.send(JSON.stringify({ used: name }));
  else unsaid.push(name);
  return fault;
}

export async function loadFaults() {
  const { settings } = await call("GET", "client/settings?did=&scope=banner");
  active = settings.page_faults.value;
}

export function listen() {
  if (line || !token()) return;
  line = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  line.onopen = () => {
    line.send(JSON.stringify({ token: token() }));
    for (const name of unsaid.splice(0)) line.send(JSON.stringify({ used: name }));
  };
  line.onmessage = ({ data }) => hear(JSON.parse(data));
  line.onclose = () => {
    line = null;
    setTimeout(listen, AGAIN_MS);
  };
}

export function hangUp() {
  if (!line) return;
  line.onclose = null;
  line.close();
  line = null;
}

function hear({ version, faults, clear }) {
  active = faults;
  if (clear) localStorage.clear();
  line.send(JSON.stringify({ heard: version }));
}
