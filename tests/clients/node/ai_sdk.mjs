// The Vercel AI SDK with its provider for endpoints like OpenAI's.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { runTask } from "./ai_sdk_task.mjs";
import { MODEL } from "./task.mjs";

const provider = createOpenAICompatible({
  name: "bridge",
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  supportsStructuredOutputs: true,
});
await runTask(provider(MODEL));
