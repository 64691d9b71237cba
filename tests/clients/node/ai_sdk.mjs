// The Vercel AI SDK with its provider for endpoints like OpenAI's.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { MODEL, QUESTION, WISH, Person, report, weather } from "./task.mjs";

const provider = createOpenAICompatible({
  name: "bridge",
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  supportsStructuredOutputs: true,
});
const asked = { model: provider(MODEL), maxRetries: 0 };
const able = {
  ...asked,
  prompt: QUESTION,
  stopWhen: stepCountIs(3),
  tools: {
    weather: tool({
      description: "Tell how warm it is in a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: weather,
    }),
  },
};

await report({
  chat: async () => (await generateText({ ...asked, prompt: "Hello" })).text,
  stream: () => Array.fromAsync(streamText({ ...asked, prompt: "Count" }).textStream),
  tools: async () => (await generateText(able)).text,
  streamed_tools: async () => await streamText(able).text,
  structured: async () =>
    (await generateText({ ...asked, prompt: WISH, output: Output.object({ schema: Person }) })).output,
});
