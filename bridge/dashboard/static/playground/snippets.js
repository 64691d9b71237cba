// Code that sends a request.

import { BASE } from "../api.js";

const LONG = 400;
export const KEY = "sk-bridge-...";
export const base = () => new URL("v1", BASE).href;

export const LANGUAGES = [
  ["curl", "curl"],
  ["python", "Python"],
  ["javascript", "JavaScript"],
];

export function snippet(language, body) {
  return { curl, python, javascript }[language](shortened(body));
}

// Cuts the data of files, which would fill the code.
function shortened(value) {
  if (typeof value === "string")
    return value.startsWith("data:") && value.length > LONG ? `${value.slice(0, value.indexOf(",") + 1)}...` : value;
  if (Array.isArray(value)) return value.map(shortened);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shortened(inner)]));
  return value;
}

function curl(body) {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl ${body.stream ? "-N " : ""}${base()}/chat/completions \\
  -H "Authorization: Bearer ${KEY}" \\
  -H "Content-Type: application/json" \\
  -d '${json}'`;
}

function python(body) {
  const fields = Object.entries(body).map(([key, value]) => `    ${key}=${literal(value, 1)},`);
  const shown = body.stream
    ? `for chunk in answer:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)`
    : "print(answer.choices[0].message.content)";
  return `from openai import OpenAI

client = OpenAI(base_url="${base()}", api_key="${KEY}")
answer = client.chat.completions.create(
${fields.join("\n")}
)
${shown}`;
}

// Returns a value as a Python literal; JSON strings are valid in Python.
function literal(value, depth) {
  const pad = "    ".repeat(depth + 1);
  const wrap = (open, parts, close) =>
    parts.length
      ? `${open}\n${parts.map((part) => `${pad}${part},\n`).join("")}${"    ".repeat(depth)}${close}`
      : open + close;
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value))
    return wrap(
      "[",
      value.map((part) => literal(part, depth + 1)),
      "]",
    );
  if (typeof value === "object")
    return wrap(
      "{",
      Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${literal(inner, depth + 1)}`),
      "}",
    );
  return JSON.stringify(value);
}

function javascript(body) {
  const shown = body.stream
    ? `for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");`
    : "console.log(answer.choices[0].message.content);";
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base()}", apiKey: "${KEY}" });
const answer = await client.chat.completions.create(${JSON.stringify(body, null, 2)});
${shown}`;
}
