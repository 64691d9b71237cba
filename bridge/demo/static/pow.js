// Proof of work: a challenge is fetched and solved ahead of time, used once, and replaced when it is old.

import { call } from "./api.js";
import { strikes } from "./faults.js";

const SPARE_MS = 10_000;

export const COMPLETION = "/api/v0/chat/completion";

let worker = null;
let queue = Promise.resolve();
const ahead = new Map();

export function prefetchProof(path) {
  if (!fresh(ahead.get(path))) ahead.set(path, prove(path));
}

// Return the header that proves the work for this path; no other call gets the same one.
export async function takeProof(path) {
  prefetchProof(path);
  const proving = ahead.get(path);
  ahead.delete(path);
  const { challenge, answer } = await proving;
  const slow = strikes("slow_proof");
  if (slow) await new Promise((done) => setTimeout(done, slow.seconds * 1000));
  if (challenge.expire_at - Date.now() < SPARE_MS) return takeProof(path);
  const { algorithm, challenge: hash, salt, signature, target_path } = challenge;
  return btoa(JSON.stringify({ algorithm, challenge: hash, salt, answer, signature, target_path }));
}

function fresh(proving) {
  return proving !== undefined && !proving.failed;
}

function prove(path) {
  const proving = call("POST", "chat/create_pow_challenge", { target_path: path }).then(async ({ challenge }) => ({
    challenge,
    answer: await solve(challenge),
  }));
  proving.catch(() => (proving.failed = true));
  return proving;
}

function solve(challenge) {
  worker ??= new Worker(new URL("./pow_worker.js", import.meta.url), { type: "module" });
  const solving = queue.then(
    () =>
      new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(challenge);
      }),
  );
  queue = solving;
  return solving;
}
