// Google's SDK for JavaScript, which runs the tools and keeps the history of a chat by itself.
import { GoogleGenAI } from "@google/genai";
import { z } from "zod";
import { Person, QUESTION, report, weather, WISH } from "./task.mjs";

const model = "gemini-2.5-flash";
const client = new GoogleGenAI({
  apiKey: process.env.API_KEY,
  httpOptions: { baseUrl: process.env.BASE_URL.replace(/\/v1$/, "") },
});
const parameters = { type: "OBJECT", properties: { city: { type: "STRING" } }, required: ["city"] };
const tool = {
  tool: async () => ({
    functionDeclarations: [{ name: "weather", description: "Tell how warm it is in a city.", parameters }],
  }),
  callTool: async (calls) =>
    calls.map(({ id, name, args }) => ({ functionResponse: { id, name, response: { output: weather(args) } } })),
};
const chat = () => client.chats.create({ model, config: { tools: [tool] } });

async function stream() {
  const pieces = [];
  for await (const piece of await client.models.generateContentStream({ model, contents: "Count" })) {
    pieces.push(piece.text);
  }
  return pieces.filter(Boolean);
}

async function streamedTools() {
  let text = "";
  for await (const piece of await chat().sendMessageStream({ message: QUESTION })) text += piece.text ?? "";
  return text;
}

await report({
  chat: async () => (await client.models.generateContent({ model, contents: "Hello" })).text,
  stream,
  tools: async () => (await chat().sendMessage({ message: QUESTION })).text,
  streamed_tools: streamedTools,
  structured: async () => {
    const config = { responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(Person) };
    return Person.parse(JSON.parse((await client.models.generateContent({ model, contents: WISH, config })).text));
  },
});
