// Files beside the prompt: uploaded at once, shown as chips, ready when the site has read them.

import { call } from "./api.js";
import { button, h } from "./dom.js";
import { icon } from "./icons.js";
import { takeProof } from "./pow.js";
import { texts } from "./texts.js";
import { toast } from "./toast.js";

const UPLOAD = "/api/v0/file/upload_file";
const POLL_MS = 150;

export class Attachments {
  #uploading = 0;
  #files = [];

  // Switches: model() with its limits, thinking().
  constructor(onChange, switches) {
    this.onChange = onChange;
    this.switches = switches;
    this.chips = h("div.app-chips", { hidden: true });
    this.input = h("input", { type: "file", multiple: true, hidden: true, onchange: () => this.#picked() });
    this.button = button(".ds-button--icon.ds-button--circle.app-clip", {
      icon: icon("clip"),
      onclick: () => this.input.click(),
    });
  }

  get busy() {
    return this.#uploading > 0;
  }

  // Hand over what has been uploaded, and begin again.
  take() {
    const files = this.#files;
    this.#files = [];
    this.chips.replaceChildren();
    this.chips.hidden = true;
    return files;
  }

  // Show a file of an earlier draft again.
  restore(file) {
    this.#add(file);
  }

  #picked() {
    const { max_input_file_count: most, max_upload_file_size: largest } = this.switches.model().file_feature;
    const files = [...this.input.files];
    if (files.length + this.chips.children.length > most) toast(texts.tooManyFiles(most));
    else if (files.some((file) => file.size > largest)) toast(texts.fileTooLarge);
    else for (const file of files) this.#add(file);
    this.input.value = "";
  }

  async #add(file) {
    const chip = h("div.app-chip", {}, this.#preview(file), h("span", {}, file.name), h("div.ds-loading.app-small"));
    this.chips.append(chip);
    this.chips.hidden = false;
    this.#uploading += 1;
    this.onChange();
    try {
      this.#files.push(await upload(file, this.switches));
    } catch {
      toast(texts.uploadFailed);
      chip.remove();
      this.chips.hidden = this.chips.children.length === 0;
    }
    chip.lastChild?.remove();
    this.#uploading -= 1;
    this.onChange();
  }

  #preview(file) {
    if (!file.type.startsWith("image/")) return icon("copy");
    return h("img.app-preview", { src: URL.createObjectURL(file), alt: "" });
  }
}

async function upload(file, switches) {
  const form = new FormData();
  form.append("file", file);
  const headers = {
    "x-file-size": String(file.size),
    "x-model-type": switches.model().model_type,
    "x-thinking-enabled": switches.thinking() ? "1" : "0",
    "x-ds-pow-response": await takeProof(UPLOAD),
  };
  let uploaded = await call("POST", "file/upload_file", form, headers);
  while (["PENDING", "PARSING"].includes(uploaded.status)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    ({
      files: [uploaded],
    } = await call("GET", `file/fetch_files?file_ids=${uploaded.id}`));
  }
  if (uploaded.status !== "SUCCESS") throw new Error(uploaded.status);
  return uploaded;
}
