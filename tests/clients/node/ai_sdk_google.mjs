// The Vercel AI SDK with its provider for Gemini's API.
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { runTask } from "./ai_sdk_task.mjs";

const baseURL = process.env.BASE_URL.replace(/\/v1$/, "/v1beta");
await runTask(createGoogleGenerativeAI({ baseURL, apiKey: process.env.API_KEY })("gemini-2.5-flash"));
