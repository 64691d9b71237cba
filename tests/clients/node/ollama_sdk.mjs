// Ollama's SDK for JavaScript.
import { Ollama } from "ollama";
import { z } from "zod";
import { MODEL, Person, QUESTION, report, weather, WISH } from "./task.mjs";

const client = new Ollama({
  host: process.env.BASE_URL.replace(/\/v1$/, ""),
  headers: { Authorization: `Bearer ${process.env.API_KEY}` },
});
const user = (content) => ({ model: MODEL, messages: [{ role: "user", content }] });
const tool = {
  type: "function",
  function: {
    name: "weather",
    description: "Tell how warm it is in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function stream() {
  const pieces = [];
  for await (const part of await client.chat({ ...user("Count"), stream: true })) pieces.push(part.message.content);
  return pieces.filter(Boolean);
}

const whole = async (asked) => (await client.chat(asked)).message;

async function streamed(asked) {
  const message = { role: "assistant", content: "", tool_calls: [] };
  for await (const part of await client.chat({ ...asked, stream: true })) {
    message.content += part.message.content;
    message.tool_calls.push(...(part.message.tool_calls ?? []));
  }
  return message;
}

async function tools(turn) {
  const asked = { ...user(QUESTION), tools: [tool] };
  for (;;) {
    const message = await turn(asked);
    if (!message.tool_calls?.length) return message.content;
    asked.messages.push(message);
    for (const { function: called } of message.tool_calls) {
      asked.messages.push({ role: "tool", tool_name: called.name, content: weather(called.arguments) });
    }
  }
}

await report({
  chat: async () => (await client.generate({ model: MODEL, prompt: "Hello" })).response,
  stream,
  tools: () => tools(whole),
  streamed_tools: () => tools(streamed),
  structured: async () =>
    Person.parse(JSON.parse((await client.chat({ ...user(WISH), format: z.toJSONSchema(Person) })).message.content)),
});
