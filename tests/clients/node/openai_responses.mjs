// The OpenAI SDK for Node over the Responses API: whole, streamed, and over a WebSocket.
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";
import { zodTextFormat } from "openai/helpers/zod";
import { MODEL, QUESTION, WISH, Person, report, weather } from "./task.mjs";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const { responses } = client;
const tool = {
  type: "function",
  name: "weather",
  description: "Tell how warm it is in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  strict: true,
};

async function stream() {
  const pieces = [];
  for await (const event of responses.stream({ model: MODEL, input: "Count" })) {
    if (event.type === "response.output_text.delta") pieces.push(event.delta);
  }
  return pieces;
}

const results = ({ output }) =>
  output
    .filter(({ type }) => type === "function_call")
    .map((call) => ({
      type: "function_call_output",
      call_id: call.call_id,
      output: weather(JSON.parse(call.arguments)),
    }));

// Run tools by sending the whole history again.
async function tools() {
  const input = [{ role: "user", content: QUESTION }];
  for (;;) {
    const response = await responses.create({ model: MODEL, input, tools: [tool], store: false });
    const made = results(response);
    if (!made.length) return response.output_text;
    input.push(...response.output, ...made);
  }
}

// Run tools over a WebSocket, by naming the response before, which is not kept.
async function streamedTools() {
  const socket = new ResponsesWS(client);
  const ask = (asked) => socket.send({ type: "response.create", model: MODEL, tools: [tool], store: false, ...asked });
  ask({ input: QUESTION });
  for await (const { type, message } of socket) {
    if (type === "error") throw new Error("The socket failed.");
    if (message?.type !== "response.completed") continue;
    const { response } = message;
    const input = results(response);
    if (input.length) ask({ input, previous_response_id: response.id });
    else return socket.close(), response.output[0].content[0].text;
  }
}

await report({
  chat: async () => (await responses.create({ model: MODEL, input: "Hello" })).output_text,
  stream,
  tools,
  streamed_tools: streamedTools,
  structured: async () =>
    (await responses.parse({ model: MODEL, input: WISH, text: { format: zodTextFormat(Person, "person") } }))
      .output_parsed,
});
