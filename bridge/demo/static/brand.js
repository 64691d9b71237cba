// The name and the sign of the site.

import { h } from "./dom.js";
import { boot } from "./markup.js";
import { texts } from "./texts.js";

export const logo = () => h("img.app-logo", { src: `/static/${boot.build}/logo.svg`, alt: "" });

export const brand = () => h("div.app-brand", {}, logo(), h("span", {}, texts.brand));
