// What the Vercel AI SDK is made to do with a model of any provider.
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { QUESTION, WISH, Person, report, weather } from "./task.mjs";

export async function runTask(model, providerOptions = {}) {
  const asked = { model, maxRetries: 0, providerOptions };
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
}
