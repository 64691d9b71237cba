// Class names: `app-*` is hashed again for each build, the others (`ds-*`) are stable in the classic markup.

export const boot = JSON.parse(document.body.dataset.boot);

const known = new Map();

export function className(name) {
  const stable = boot.markup === "classic" && !name.startsWith("app-");
  if (!known.has(name)) known.set(name, stable ? name : hashed(name));
  return known.get(name);
}

function hashed(name) {
  let digest = 0x811c9dc5;
  for (const char of boot.build + name) digest = Math.imul(digest ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return `_${digest.toString(16).padStart(8, "0")}`.slice(0, 8);
}

// Give all classes new names from here on, and the styles too, unless they did not come.
export function rename({ styles }) {
  boot.markup = "hashed";
  known.clear();
  if (!styles) return;
  const style = document.querySelector("link[rel=stylesheet]");
  style.href = style.href.replace("classic.css", "hashed.css");
}
