// The OpenAI SDK for Node over the Responses API.
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { MODEL, QUESTION, WISH, Person, report, weather } from "./task.mjs";

const { responses } = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
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

// Run tools in a stream, by naming the response before.
async function streamedTools() {
  let asked = { input: QUESTION };
  for (;;) {
    const response = await responses.stream({ model: MODEL, tools: [tool], ...asked }).finalResponse();
    const input = results(response);
    if (!input.length) return response.output_text;
    asked = { input, previous_response_id: response.id };
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
