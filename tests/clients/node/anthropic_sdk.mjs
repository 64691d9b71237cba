// Anthropic's SDK for Node, with its own tool runner.
import Anthropic, { AuthenticationError, NotFoundError } from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import assert from "node:assert/strict";
import { QUESTION, WISH, Person, report, weather } from "./task.mjs";

const MODEL = "claude-haiku-4-5";
const baseURL = process.env.BASE_URL.replace(/\/v1$/, "");
const client = new Anthropic({ baseURL, apiKey: process.env.API_KEY, maxRetries: 0 });
const user = (content) => ({ model: MODEL, max_tokens: 2000, messages: [{ role: "user", content }] });
const textOf = (message) => message.content.filter(({ type }) => type === "text").map(({ text }) => text).join("");
const tool = betaTool({
  name: "weather",
  description: "Tell how warm it is in a city.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  run: weather,
});

async function stream() {
  const pieces = [];
  const events = client.messages.stream(user("Count")).on("text", (text) => pieces.push(text));
  assert.equal(textOf(await events.finalMessage()), pieces.join(""));
  return pieces;
}

async function tools(stream) {
  const runner = client.beta.messages.toolRunner({ ...user(QUESTION), tools: [tool], stream });
  return textOf(await runner.runUntilDone());
}

await assert.rejects(client.messages.create({ ...user("Hi"), model: "gpt-4o" }), NotFoundError);
await assert.rejects(client.withOptions({ apiKey: "sk-bridge-wrong" }).messages.create(user("Hi")), AuthenticationError);
await report({
  chat: async () => textOf(await client.messages.create(user("Hello"))),
  stream,
  tools: () => tools(false),
  streamed_tools: () => tools(true),
  structured: async () =>
    (await client.messages.parse({ ...user(WISH), output_config: { format: zodOutputFormat(Person) } })).parsed_output,
});
