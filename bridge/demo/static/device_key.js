// A key that this browser keeps and gives to nobody, by which the site knows it again; only where the site wants one.

import { boot } from "./markup.js";

const STORE = "keys";

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function store(mode) {
  const opening = indexedDB.open("device", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await done(opening)).transaction(STORE, mode).objectStore(STORE);
}

// Make a key, keep it so that it cannot be read out again, and return what the site must know of it.
export async function newDeviceKey() {
  if (!boot.deviceKey) return {};
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  await done((await store("readwrite")).put({ made: new Date(), signing: { key } }, "own"));
  return { device_key: btoa(String.fromCharCode(...secret)) };
}

// The headers that show the site that this browser has the key.
export async function signed(token) {
  if (!boot.deviceKey) return {};
  const kept = await done((await store("readonly")).get("own"));
  if (!(kept?.signing.key instanceof CryptoKey)) return {};
  const signature = await crypto.subtle.sign("HMAC", kept.signing.key, new TextEncoder().encode(token));
  return { "x-device-signature": btoa(String.fromCharCode(...new Uint8Array(signature))) };
}
