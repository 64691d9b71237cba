// The OpenAI SDK for Node, with its own tool runner.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { MODEL, QUESTION, WISH, Person, report, weather } from "./task.mjs";

const { completions } = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 }).chat;
const user = (content) => ({ model: MODEL, messages: [{ role: "user", content }] });
const tool = {
  type: "function",
  function: {
    name: "weather",
    description: "Tell how warm it is in a city.",
    parse: JSON.parse,
    function: weather,
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function stream() {
  const pieces = [];
  for await (const chunk of await completions.create({ ...user("Count"), stream: true })) {
    pieces.push(chunk.choices[0].delta.content ?? "");
  }
  return pieces.filter(Boolean);
}

await report({
  chat: async () => (await completions.create(user("Hello"))).choices[0].message.content,
  stream,
  tools: () => completions.runTools({ ...user(QUESTION), tools: [tool] }).finalContent(),
  streamed_tools: () => completions.runTools({ ...user(QUESTION), tools: [tool], stream: true }).finalContent(),
  structured: async () =>
    (await completions.parse({ ...user(WISH), response_format: zodResponseFormat(Person, "person") })).choices[0]
      .message.parsed,
});
