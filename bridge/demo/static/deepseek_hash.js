// DeepSeekHashV1: SHA3-256 without round 0, on pairs of 32-bit halves; the permutation is unrolled at load.

const RATE = 136;
const ROUND_CONSTANTS = Int32Array.of(
  0x00008082,
  0,
  0x0000808a,
  0x80000000,
  0x80008000,
  0x80000000,
  0x0000808b,
  0,
  0x80000001,
  0,
  0x80008081,
  0x80000000,
  0x00008009,
  0x80000000,
  0x0000008a,
  0,
  0x00000088,
  0,
  0x80008009,
  0,
  0x8000000a,
  0,
  0x8000808b,
  0,
  0x0000008b,
  0x80000000,
  0x00008089,
  0x80000000,
  0x00008003,
  0x80000000,
  0x00008002,
  0x80000000,
  0x00000080,
  0x80000000,
  0x0000800a,
  0,
  0x8000000a,
  0x80000000,
  0x80008081,
  0x80000000,
  0x00008080,
  0x80000000,
  0x80000001,
  0,
  0x80008008,
  0x80000000,
);

function laneMoves() {
  const moves = [[0, 0, 0]];
  let [x, y] = [1, 0];
  for (let step = 0; step < 24; step++) {
    const [toX, toY] = [y, (2 * x + 3 * y) % 5];
    moves.push([x + 5 * y, toX + 5 * toY, (((step + 1) * (step + 2)) / 2) % 64]);
    [x, y] = [toX, toY];
  }
  return moves;
}

// The two halves of a lane rotated to the left, as source text.
function rotated(low, high, by) {
  if (by >= 32) [low, high, by] = [high, low, by - 32];
  if (by === 0) return [low, high];
  return [`(${low} << ${by}) | (${high} >>> ${32 - by})`, `(${high} << ${by}) | (${low} >>> ${32 - by})`];
}

function permutationSource() {
  const lanes = [...Array(25).keys()];
  const lines = [`let ${lanes.map((i) => `a${i}l = s[${2 * i}], a${i}h = s[${2 * i + 1}]`).join(", ")};`];
  lines.push("for (let round = 0; round < 46; round += 2) {");
  for (let x = 0; x < 5; x++)
    for (const half of "lh")
      lines.push(`const c${x}${half} = ${[0, 5, 10, 15, 20].map((y) => `a${x + y}${half}`).join(" ^ ")};`);
  for (let x = 0; x < 5; x++) {
    const [low, high] = rotated(`c${(x + 1) % 5}l`, `c${(x + 1) % 5}h`, 1);
    lines.push(`const d${x}l = c${(x + 4) % 5}l ^ (${low}), d${x}h = c${(x + 4) % 5}h ^ (${high});`);
  }
  for (const [from, to, by] of laneMoves()) {
    lines.push(`const t${from}l = a${from}l ^ d${from % 5}l, t${from}h = a${from}h ^ d${from % 5}h;`);
    const [low, high] = rotated(`t${from}l`, `t${from}h`, by);
    lines.push(`const b${to}l = ${low}, b${to}h = ${high};`);
  }
  for (const i of lanes) {
    const [next, after] = [i - (i % 5) + ((i + 1) % 5), i - (i % 5) + ((i + 2) % 5)];
    for (const half of "lh") lines.push(`a${i}${half} = b${i}${half} ^ (~b${next}${half} & b${after}${half});`);
  }
  lines.push("a0l ^= constants[round]; a0h ^= constants[round + 1]; }");
  for (const i of lanes) lines.push(`s[${2 * i}] = a${i}l; s[${2 * i + 1}] = a${i}h;`);
  return lines.join("\n");
}

const permutation = new Function("s", "constants", permutationSource());

export function deepseekHash(text) {
  const message = new TextEncoder().encode(text);
  const padded = new Uint8Array((Math.floor(message.length / RATE) + 1) * RATE);
  padded.set(message);
  padded[message.length] = 0x06;
  padded[padded.length - 1] |= 0x80;
  const words = new Int32Array(padded.buffer);
  const state = new Int32Array(50);
  for (let start = 0; start < words.length; start += RATE / 4) {
    for (let i = 0; i < RATE / 4; i++) state[i] ^= words[start + i];
    permutation(state, ROUND_CONSTANTS);
  }
  return [...new Uint8Array(state.buffer, 0, 32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Find the number behind a challenge, or -1; prefix and number fit into one block.
export function solve({ challenge, salt, expire_at: expireAt, difficulty }) {
  const wanted = new Int32Array(Uint8Array.from(challenge.match(/../g), (pair) => parseInt(pair, 16)).buffer);
  const prefix = new TextEncoder().encode(`${salt}_${expireAt}_`);
  const block = new Uint8Array(RATE);
  const words = new Int32Array(block.buffer);
  const state = new Int32Array(50);
  block.set(prefix);
  for (let number = 0; number < difficulty; number++) {
    writeNumber(block, prefix.length, number);
    state.set(words);
    state.fill(0, words.length);
    permutation(state, ROUND_CONSTANTS);
    if (state[0] === wanted[0] && wanted.every((word, i) => state[i] === word)) return number;
  }
  return -1;
}

function writeNumber(block, at, number) {
  const digits = String(number);
  for (let i = 0; i < digits.length; i++) block[at + i] = digits.charCodeAt(i);
  block[at + digits.length] = 0x06;
  block[RATE - 1] = 0x80;
}
