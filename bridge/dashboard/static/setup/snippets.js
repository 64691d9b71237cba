// The configuration of each client.

const json = (value) => JSON.stringify(value, null, 2);

export const CLIENTS = [
  {
    name: "OpenAI SDK, Python",
    where: "After pip install openai:",
    code: ({ base, key, model }) => `from openai import OpenAI

client = OpenAI(base_url="${base}", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Why is the sky blue?"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    name: "OpenAI SDK, JavaScript",
    where: "After npm install openai:",
    code: ({ base, key, model }) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}", apiKey: "${key}" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Why is the sky blue?" }],
});
console.log(answer.choices[0].message.content);`,
  },
  {
    name: "Environment",
    where: "Most programs that use an OpenAI SDK read these:",
    code: ({ base, key }) => `export OPENAI_BASE_URL="${base}"
export OPENAI_API_KEY="${key}"`,
  },
  {
    name: "Claude Code",
    where: "Before you start claude:",
    code: ({ root, key }) => `export ANTHROPIC_BASE_URL="${root}"
export ANTHROPIC_API_KEY="${key}"
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1`,
    after: "Claude's own model names mean the first model of your accounts; api.aliases can change that.",
  },
  {
    name: "Anthropic SDK",
    where: "After pip install anthropic:",
    code: ({ root, key, model }) => `from anthropic import Anthropic

client = Anthropic(base_url="${root}", api_key="${key}")
message = client.messages.create(
    model="${model}",
    max_tokens=4096,
    messages=[{"role": "user", "content": "Why is the sky blue?"}],
)
print("".join(block.text for block in message.content if block.type == "text"))`,
  },
  {
    name: "Ollama SDK",
    where: "After pip install ollama; any other client of Ollama takes the same address:",
    code: ({ root, key, model }) => `from ollama import Client

client = Client("${root}", headers={"Authorization": "Bearer ${key}"})
answer = client.chat("${model}", [{"role": "user", "content": "Why is the sky blue?"}])
print(answer.message.content)`,
    after: "For editors that look for Ollama on port 11434 and send no key: server.ollama_port and server.ollama_no_auth.",
  },
  {
    name: "Google SDK",
    where: "After pip install google-genai:",
    code: ({ root, key, model }) => `from google import genai

client = genai.Client(api_key="${key}", http_options={"base_url": "${root}"})
answer = client.models.generate_content(model="${model}", contents="Why is the sky blue?")
print(answer.text)`,
  },
  {
    name: "Open WebUI",
    where: "Admin Panel, Settings, Connections, OpenAI API: add the base URL and the key. Or start it with:",
    code: ({ base, key }) => `docker run -d -p 3000:8080 --add-host=host.docker.internal:host-gateway \\
  -e OPENAI_API_BASE_URL="${inside(base)}" \\
  -e OPENAI_API_KEY="${key}" \\
  -v open-webui:/app/backend/data ghcr.io/open-webui/open-webui:main`,
    after:
      "A container reaches the bridge only when it listens on more than this machine: server.host, with the name in server.allowed_hosts.",
  },
  {
    name: "LobeChat",
    where: "Settings, AI Service Provider, OpenAI: API key and API proxy URL, then fetch the model list. On a server:",
    code: ({ base, key, model }) => `OPENAI_PROXY_URL=${base}
OPENAI_API_KEY=${key}
OPENAI_MODEL_LIST=-all,+${model}`,
    after: "Leave “Use Client-Side Fetching Mode” off, or name its address in api.allowed_origins.",
  },
  {
    name: "Cherry Studio",
    where: "Settings, Model Provider, Add: type OpenAI. Then these, and Manage to choose the models:",
    code: ({ root, key }) => `API Key:   ${key}
API Host:  ${root}`,
    after: "Cherry Studio appends /v1 to the host itself.",
  },
  {
    name: "aider",
    where: "In a shell, in your repository:",
    code: ({ base, key, model }) => `export OPENAI_API_BASE="${base}"
export OPENAI_API_KEY="${key}"
aider --model openai/${model}`,
  },
  {
    name: "opencode",
    where: "In opencode.json, in your project or in ~/.config/opencode/:",
    code: ({ base, key, model }) =>
      json({
        $schema: "https://opencode.ai/config.json",
        provider: {
          bridge: {
            npm: "@ai-sdk/openai-compatible",
            name: "Bridge",
            options: { baseURL: base, apiKey: key },
            models: { [model]: {} },
          },
        },
        model: `bridge/${model}`,
      }),
  },
  {
    name: "Cline",
    where: "Settings of the extension, API Provider: OpenAI Compatible. Then:",
    code: ({ base, key, model }) => `Base URL:  ${base}
API Key:   ${key}
Model ID:  ${model}`,
  },
  {
    name: "Continue",
    where: "In ~/.continue/config.yaml:",
    code: ({ base, key, model }) => `name: bridge
version: 1.0.0
schema: v1
models:
  - name: bridge
    provider: openai
    model: ${model}
    apiBase: ${base}
    apiKey: ${key}
    roles: [chat, edit]
    capabilities: [tool_use]`,
  },
];

// Returns the base URL with this machine's name for a container.
function inside(base) {
  return base.replace(/\/\/(localhost|127\.0\.0\.1|\[::1\])(?=[:/])/, "//host.docker.internal");
}
