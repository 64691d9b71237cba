// Requests to the bridge that served this page, and the session that authorizes them.

import { update } from "./store.js";

// The address of the bridge; a proxy may serve it below a path.
export const BASE = new URL("../../", import.meta.url);
const ADMIN = new URL("admin/api/", BASE);

const GONE = "The bridge does not answer. It may have been stopped, or the network is down.";
const UNSURE = `${GONE} Check whether this was done before you try again.`;
const ENDED = "The session has ended. Sign in again.";

const LIMIT = 180_000; // milliseconds; requests that the caller can abort have no limit

let csrf = "";

export class ApiError extends Error {
  constructor(message, status = 0, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function adminUrl(path) {
  return new URL(path, ADMIN).href;
}

// Returns the path of an account or another named resource.
export function named(kind, name, more = "") {
  return `${kind}/${encodeURIComponent(name)}${more}`;
}

export const get = async (path, options) => (await send("GET", adminUrl(path), options)).json();
export const post = async (path, body = {}) => (await send("POST", adminUrl(path), { body })).json();
export const patch = async (path, body) => (await send("PATCH", adminUrl(path), { body })).json();
export const remove = async (path) => answered(await send("DELETE", adminUrl(path)));

// Sends a request with the session and returns the response; throws ApiError if it fails.
export async function send(method, url, { body, signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), LIMIT);
  let response;
  try {
    response = await fetch(url, {
      method,
      headers,
      signal: signal ?? late.signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(method === "GET" || isSession(url) ? GONE : UNSURE);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

const isSession = (url) => url === adminUrl("session");

async function failure(response) {
  const error = await response.json().then(
    (body) => body.error,
    () => null,
  );
  if (response.status === 401 && !isSession(response.url)) update({ session: "none", ended: ENDED });
  const message = error?.message ?? `The bridge answered with status ${response.status}.`;
  return new ApiError(message, response.status, error?.code ?? "");
}

async function answered(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : {};
}

// Signs in with {key} or a one-time {token}.
export async function signIn(proof) {
  opened(await post("session", proof));
}

// Resumes the session of the cookie, if there is one; returns whether there is.
export async function resume() {
  try {
    opened(await get("session"));
    return true;
  } catch (error) {
    if (error.status !== 401) throw error;
    update({ session: "none" });
    return false;
  }
}

export async function signOut() {
  await remove("session").catch((error) => {
    if (error.status !== 401) throw error; // it has ended already
  });
  csrf = "";
  update({ session: "none", ended: "" });
}

function opened(session) {
  csrf = session.csrf;
  update({ session: "open", ownKey: session.key });
}

// Saves the response to a request as a file.
export async function download(method, path, name) {
  const response = await send(method, adminUrl(path), method === "GET" ? {} : { body: {} });
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = /filename="?([^";]+)/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
