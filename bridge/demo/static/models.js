// The choice of a model; it is only there on the home of a new chat.

import { h } from "./dom.js";
import { strikes } from "./faults.js";
import { texts } from "./texts.js";

export class ModelPicker {
  constructor(models, onChange) {
    this.radios = models.map((model, i) => this.#radio(model, i === 0, onChange));
    this.root =
      models.length > 1 && !strikes("no_models") ? h("div.app-models", { role: "radiogroup" }, this.radios) : "";
  }

  #radio(model, chosen, onChange) {
    const label = texts.models[model.model_type] ?? model.model_type;
    const choose = () => {
      for (const other of this.radios) other.setAttribute("aria-checked", String(other === radio));
      onChange(model);
    };
    const props = {
      role: "radio",
      tabindex: "0",
      "data-model-type": model.model_type,
      "aria-checked": String(chosen),
      onclick: choose,
    };
    const radio = h(
      "div.app-model",
      props,
      h("span", {}, label),
      h("span.app-measure", { "aria-hidden": "true" }, label),
    );
    return radio;
  }
}
