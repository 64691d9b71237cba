// The sign-in page: with an admin key, or with a one-time link that has its token in the fragment.

import { html, useEffect, useRef, useState } from "./html.js";
import { BASE, signIn } from "./api.js";
import { ActionButton } from "./components/parts.js";
import { Logo } from "./components/icons.js";

// Removes the token of a one-time link from the address and the history, and returns it; null without one.
export function takeLink() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const token = fields.get("sign-in");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { token, to: fields.get("to") };
}

// Returns the page to open after signing in: only pages of the dashboard, else null.
export function target(to) {
  if (!to) return null;
  const dashboard = new URL("dashboard/", BASE);
  const url = new URL(to.replace(/^\/+/, ""), BASE);
  return url.origin === dashboard.origin && url.pathname.startsWith(dashboard.pathname) ? url.href : null;
}

export function SignIn({ problem: before = "", onSignedIn }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(before);
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const submit = async () => {
    setProblem("");
    try {
      await signIn({ key: key.trim() });
      onSignedIn();
    } catch (error) {
      setProblem(error.message);
    }
  };
  const onSubmit = (event) => {
    event.preventDefault();
    if (key.trim()) submit();
  };
  return html`<main class="sign-in"><form class="card stack" onSubmit=${onSubmit}>
    <div class="row"><${Logo} size=${32} /><h1>Sign in to the bridge</h1></div>
    <label class="field"><span>Admin key</span>
      <input ref=${field} class="input mono" type="password" autocomplete="current-password" required value=${key}
        aria-invalid=${Boolean(problem)}
        aria-describedby="sign-in-hint" onInput=${(event) => setKey(event.target.value)} /></label>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
    <${ActionButton} class="button primary" run=${submit} disabled=${!key.trim()}>Sign in<//>
    <p id="sign-in-hint" class="small soft">Or open the sign-in link that${" "}<code>bridge serve</code>${" "}prints; it works once.
      ${" "}<code>bridge keys add NAME --scope admin</code>${" "}on the bridge's machine creates a new admin key.</p>
    <button type="submit" hidden></button>
  </form></main>`;
}
