// One request of the playground: its body, and the answer while it arrives.

import { BASE, send } from "../api.js";
import { events } from "../sse.js";

const CHAT = new URL("v1/chat/completions", BASE).href;
export const MODELS = new URL("v1/models", BASE).href;

// Returns the body of a request for the next answer; the options are those of the form.
export function bodyOf(messages, { model, stream, think, search, tools }) {
  return {
    model,
    messages,
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
    ...(think && { reasoning_effort: "medium" }),
    ...(search && { web_search_options: {} }),
    ...(tools && { tools }),
  };
}

export async function userMessage(text, files) {
  if (!files.length) return { role: "user", content: text };
  const parts = await Promise.all(files.map(partOf));
  return { role: "user", content: [{ type: "text", text }, ...parts] };
}

async function partOf(file) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
  if (file.type.startsWith("image/")) return { type: "image_url", image_url: { url } };
  return { type: "file", file: { filename: file.name, file_data: url } };
}

// Returns the assistant's message for the history.
export function historyOf({ text, calls }) {
  return { role: "assistant", content: text || (calls.length ? null : ""), ...(calls.length && { tool_calls: calls }) };
}

export const nothing = () => ({
  text: "",
  thinking: "",
  sources: [],
  calls: [],
  usage: null,
  finish: "",
  first: null,
  took: null,
});

// Sends the request, calls `show` with the answer so far whenever it grows, and returns the whole answer.
export async function ask(body, signal, show) {
  const started = performance.now();
  const answer = nothing();
  const since = () => (performance.now() - started) / 1000;
  const response = await send("POST", CHAT, { body, signal });
  for await (const chunk of chunks(response, body.stream)) {
    take(answer, chunk);
    if (answer.first === null && (answer.text || answer.thinking)) answer.first = since();
    answer.took = since();
    show({ ...answer });
  }
  return { ...answer, took: since() };
}

async function* chunks(response, isStream) {
  if (!isStream) {
    yield await response.json();
    return;
  }
  for await (const { data } of events(response.body)) if (data !== "[DONE]") yield JSON.parse(data);
}

function take(answer, { error, choices = [], usage, search_results: found }) {
  if (error) throw new Error(error.message);
  if (usage) answer.usage = usage;
  if (found) answer.sources = found;
  const choice = choices[0];
  if (!choice) return;
  const { content, reasoning_content: thinking, tool_calls: calls } = choice.delta ?? choice.message;
  answer.text += content ?? "";
  answer.thinking += thinking ?? "";
  for (const call of calls ?? []) takeCall(answer.calls, call);
  if (choice.finish_reason) answer.finish = choice.finish_reason;
}

// Tool calls come in pieces, which are joined by their index.
function takeCall(calls, { index = calls.length, id, function: made }) {
  const call = (calls[index] ??= { id, type: "function", function: { name: "", arguments: "" } });
  call.function.name += made?.name ?? "";
  call.function.arguments += made?.arguments ?? "";
}
