// Formats numbers and times for people.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
const NUMBER = new Intl.NumberFormat();

export const count = (value) => (value == null ? "–" : NUMBER.format(value));
export const plural = (value, one, more = `${one}s`) => `${count(value)} ${value === 1 ? one : more}`;
export const dateTime = (iso) => (iso ? WHOLE.format(new Date(iso)) : "–");

// Returns the time of day, with the date unless it is today.
export function clock(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "–";
  return date.toDateString() === new Date().toDateString() ? TIME.format(date) : WHOLE.format(date);
}

// Formats seconds with the digits that matter: 40 ms, 1.2 s, 34 s, 2 min 5 s, 3 h 12 min, 2 d 4 h.
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return longer(Math.round(seconds));
}

function longer(seconds) {
  const first = Math.max(
    0,
    UNITS.findIndex(([, size]) => seconds >= size),
  );
  const [name, size] = UNITS[first];
  const whole = `${Math.floor(seconds / size)} ${name}`;
  const next = UNITS[first + 1];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return rest ? `${whole} ${rest} ${next[0]}` : whole;
}

export function ago(iso, now) {
  if (!iso) return "never";
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 5) return "just now";
  const [name, size] = UNITS.find(([, one]) => seconds >= one);
  return `${Math.floor(seconds / size)} ${name} ago`;
}

// Formats the remaining time as a countdown: 4:09, 1:02:03, 2 d 4 h.
export function left(iso, now) {
  const seconds = Math.max(0, Math.ceil((Date.parse(iso) - now) / 1000));
  if (seconds >= 86_400) return longer(seconds);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

export function megabytes(value) {
  if (value == null) return "–";
  return value >= 1024 ? `${(value / 1024).toFixed(1)} GB` : `${Math.round(value)} MB`;
}

// Returns a text cut to a length that can be drawn; texts of pages and models are unbounded.
export function clipped(text, length = 400) {
  const given = String(text ?? "");
  return given.length > length ? `${given.slice(0, length)} …` : given;
}
