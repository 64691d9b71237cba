// The Vercel AI SDK with its provider for OpenAI, which speaks the Responses API.
import { createOpenAI } from "@ai-sdk/openai";
import { runTask } from "./ai_sdk_task.mjs";
import { MODEL } from "./task.mjs";

const provider = createOpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY });
await runTask(provider(MODEL));
