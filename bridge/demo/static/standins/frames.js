// Reads a response as the frames that its site sends: lines of server-sent events, or Connect's frames.

export async function* events(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks(body)) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = parts.pop();
    for (const part of parts) yield event(part);
  }
  if (rest.trim()) yield event(rest);
}

function event(part) {
  const found = { event: "", data: [] };
  for (const line of part.split("\n")) {
    const [, name, value] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
    if (name === "event") found.event = value;
    if (name === "data") found.data.push(value);
  }
  return { event: found.event, data: found.data.join("\n") };
}

export async function* lines(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks(body)) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield { data: part };
  }
}

export async function* connectFrames(body) {
  let rest = new Uint8Array();
  for await (const chunk of chunks(body)) {
    rest = joined(rest, chunk);
    while (rest.length >= 5) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (rest.length < 5 + length) break;
      yield { flags: rest[0], data: parsed(new TextDecoder().decode(rest.slice(5, 5 + length))) ?? {} };
      rest = rest.slice(5 + length);
    }
  }
}

export function connectFrame(document) {
  const body = new TextEncoder().encode(JSON.stringify(document));
  const frame = new Uint8Array(5 + body.length);
  new DataView(frame.buffer).setUint32(1, body.length);
  frame.set(body, 5);
  return frame;
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function* chunks(body) {
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

function joined(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
