// The Vercel AI SDK with its provider for Anthropic's API.
import { createAnthropic } from "@ai-sdk/anthropic";
import { runTask } from "./ai_sdk_task.mjs";

const provider = createAnthropic({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY });
await runTask(provider("claude-sonnet-4-5"), { anthropic: { structuredOutputMode: "outputFormat" } });
