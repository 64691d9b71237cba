// The sign-in form; it appears a moment after the page.

import { call, deviceId, keepToken } from "./api.js";
import { brand } from "./brand.js";
import { newDeviceKey } from "./device_key.js";
import { between, button, controlled, h, svg } from "./dom.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";
import { toast } from "./toast.js";

export function signIn(root, onSignedIn) {
  const show = (first) => root.replaceChildren(first ? other(() => show(false)) : form(onSignedIn));
  const timer = setTimeout(() => show(boot.signIn !== "password"), between(boot.formDelay));
  root.replaceChildren(h("div.app-center", {}, h("div.ds-loading")));
  return () => clearTimeout(timer);
}

// The form that comes first where the page does not ask for a password: a code by message, and what leads from there.
function other(byPassword) {
  const code = h("input.ds-input__input", { type: "text", placeholder: texts.code });
  const phone = h("input.ds-input__input", { type: "text", placeholder: texts.phone });
  const ways = {
    words: () => h("div.app-or", { role: "button", tabindex: "0", onclick: byPassword }, texts.byPassword),
    icon: () => h("div.ds-sign-in-form_icon", { onclick: byPassword }, svg("M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7z")),
    none: () => null,
  };
  const submit = button(".ds-button--primary.ds-button--filled.ds-button--l.ds-button--block", { text: texts.logIn });
  const main = h("div.ds-sign-in-form__main", {}, item(phone), item(code), submit, ways[boot.signIn]());
  return h("div.app-center", {}, h("div.ds-sign-in-form-wrapper.ds-auth-form-wrapper.app-card", {}, brand(), main));
}

function form(onSignedIn) {
  const error = h("div.ds-form-item__feedback.app-form-error", { role: "alert" });
  const email = input("text", "username", texts.account);
  const password = input("password", "current-password", texts.password);
  const submit = button(".ds-button--primary.ds-button--filled.ds-button--l.ds-button--block.app-log-in", {
    text: texts.logIn,
  });
  let busy = false;
  const send = async () => {
    if (busy) return;
    if ((error.textContent = more?.lacks() ?? "")) return;
    busy = true;
    try {
      const { user } = await logIn(email.value, password.value);
      keepToken(user.token);
      onSignedIn();
    } catch (failure) {
      if (boot.signInSays === "toast") toast(explain(failure));
      else error.textContent = explain(failure);
    }
    busy = false;
  };
  const more = boot.signInAsks ? questions() : null;
  const google = button(".ds-button--secondary.ds-button--l.ds-button--block", {
    text: texts.google,
    onclick: () => boot.oauth && byOtherAccount(onSignedIn),
  });
  submit.addEventListener("click", send);
  password.field.addEventListener("keydown", (event) => event.key === "Enter" && send());
  const main = h(
    "div.ds-sign-in-form__main",
    {},
    item(email.field),
    item(password.field),
    more?.root,
    error,
    h("p.app-consent", {}, [texts.consent, ...boot.visitor.map(texts.visitor)].join(" ")),
    submit,
    h("div.app-or", {}, h("span", {}, "OR")),
    google,
  );
  return h("div.app-center", {}, h("div.ds-sign-in-form-wrapper.ds-auth-form-wrapper.app-card", {}, brand(), main));
}

// What some sites ask beside the password, with the browser's own controls.
function questions() {
  const country = h("select.app-question", { "aria-label": texts.country });
  for (const name of ["", ...texts.countries]) country.append(h("option", { value: name }, name || texts.country));
  const birthday = h("input.app-question", { type: "date", "aria-label": texts.birthday });
  const agreed = h("input", { type: "checkbox" });
  const root = h("div", {}, country, birthday, h("label.app-agree", {}, agreed, texts.agree));
  return { root, lacks: () => (country.value && birthday.value && agreed.checked ? "" : texts.unanswered) };
}

// A window of another site, which tells by a message who has signed in there.
function byOtherAccount(onSignedIn) {
  const other = window.open("/oauth/authorize", "oauth", "popup,width=480,height=560");
  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== location.origin || source !== other) return;
    keepToken(data.token);
    onSignedIn();
  });
}

function input(type, autocomplete, placeholder) {
  const field = h("input.ds-input__input", { type, autocomplete, placeholder });
  const state = controlled(field, () => {});
  return {
    field,
    get value() {
      return state.value;
    },
  };
}

function item(field) {
  return h("div.ds-form-item", {}, h("div.ds-input.ds-input--bordered", {}, field));
}

async function logIn(email, password) {
  const id = { email: email.trim(), mobile: "", area_code: "", device_id: deviceId(), os: "web" };
  return call("POST", "users/login", { ...id, ...(await newDeviceKey()), password });
}

function explain({ bizCode }) {
  if (bizCode === 2) return texts.wrongPassword;
  return bizCode ? texts.risky : texts.busy;
}
