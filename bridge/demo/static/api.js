// Calls to the back end: the headers it demands, the envelope it answers in, the token it knows the user by.

import { boot } from "./markup.js";
import { texts } from "./texts.js";

const SIGNED_OUT = [40001, 40002, 40003];

export const signals = new EventTarget();

export class ApiError extends Error {
  constructor(message, { status = 200, code = 0, bizCode = 0, data = null } = {}) {
    super(message);
    Object.assign(this, { status, code, bizCode, data });
  }
}

export function token() {
  try {
    return JSON.parse(localStorage.getItem("userToken")).value || null;
  } catch {
    return null;
  }
}

export function keepToken(value) {
  if (value === null) localStorage.removeItem("userToken");
  else localStorage.setItem("userToken", JSON.stringify({ value, __version: "0" }));
}

export function pageHeaders() {
  const headers = {
    accept: "*/*",
    "x-client-platform": "web",
    "x-client-version": boot.version,
    "x-client-locale": texts.locale,
    "x-client-timezone-offset": String(-new Date().getTimezoneOffset() * 60),
    "x-client-bundle-id": "com.deepseek.chat",
  };
  if (token()) headers.authorization = `Bearer ${token()}`;
  return headers;
}

export async function call(method, path, body, extra = {}) {
  const headers = { ...pageHeaders(), ...extra };
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["content-type"] = "application/json";
  const response = await fetch(`/api/v0/${path}`, { method, headers, body: form ? body : JSON.stringify(body) });
  return unwrap(response.status, await response.text());
}

// Take the data out of an answer, or throw what is wrong with it.
export function unwrap(status, text) {
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new ApiError("not JSON", { status });
  }
  const { code = -1, msg = "", data } = answer;
  if (SIGNED_OUT.includes(code)) signals.dispatchEvent(new Event("signedout"));
  if (code !== 0) throw new ApiError(msg, { status, code });
  if (data.biz_code !== 0) throw new ApiError(data.biz_msg, { status, bizCode: data.biz_code, data: data.biz_data });
  return data.biz_data;
}

// The short-lived token that completions carry.
export async function hif() {
  const cached = JSON.parse(localStorage.getItem("hif_leim_cached") ?? "null");
  if (cached && cached.expires > Date.now() + 5000 && cached.build === boot.build) return cached.value;
  const response = await fetch("/hif/query");
  const { value } = unwrap(response.status, await response.text());
  const expires = Date.now() + Number(response.headers.get("x-hif-ttl")) * 1000;
  localStorage.setItem("hif_leim_cached", JSON.stringify({ value, expires, build: boot.build }));
  return value;
}

// An id as the risk check of the sign-in wants it: B and 88 characters of base64.
export function deviceId() {
  const name = "__ds_remote_feature_did";
  if (!localStorage.getItem(name)) {
    const bytes = crypto.getRandomValues(new Uint8Array(66));
    localStorage.setItem(name, `B${btoa(String.fromCharCode(...bytes))}`);
  }
  return localStorage.getItem(name);
}
