// The sign-in form; it appears a moment after the page.

import { call, deviceId, keepToken } from "./api.js";
import { brand } from "./brand.js";
import { between, button, controlled, h } from "./dom.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

export function signIn(root, onSignedIn) {
  const timer = setTimeout(() => root.replaceChildren(form(onSignedIn)), between(boot.formDelay));
  root.replaceChildren(h("div.app-center", {}, h("div.ds-loading")));
  return () => clearTimeout(timer);
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
    busy = true;
    error.textContent = "";
    try {
      const { user } = await logIn(email.value, password.value);
      keepToken(user.token);
      onSignedIn();
    } catch (failure) {
      error.textContent = explain(failure);
    }
    busy = false;
  };
  submit.addEventListener("click", send);
  password.field.addEventListener("keydown", (event) => event.key === "Enter" && send());
  const main = h(
    "div.ds-sign-in-form__main",
    {},
    item(email.field),
    item(password.field),
    error,
    h("p.app-consent", {}, [texts.consent, ...boot.visitor.map(texts.visitor)].join(" ")),
    submit,
    h("div.app-or", {}, h("span", {}, "OR")),
    button(".ds-button--secondary.ds-button--l.ds-button--block", { text: texts.google }),
  );
  return h("div.app-center", {}, h("div.ds-sign-in-form-wrapper.ds-auth-form-wrapper.app-card", {}, brand(), main));
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

function logIn(email, password) {
  const id = { email: email.trim(), mobile: "", area_code: "", device_id: deviceId(), os: "web" };
  return call("POST", "users/login", { ...id, password });
}

function explain({ bizCode }) {
  if (bizCode === 2) return texts.wrongPassword;
  return bizCode ? texts.risky : texts.busy;
}
