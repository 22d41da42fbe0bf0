/* What every part of the page is made with. Text is always set as text, never as markup. */

const byId = (id) => document.getElementById(id);

/** An element with attributes (null ones are left out) and children. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Give an element the colour of a label, and one that can be read on it. */
function paint(made, label) {
  made.style.setProperty("--colour", label.colour);
  made.style.setProperty("--ink", label.ink);
  return made;
}

/** 75.25 -> "1:15"; with digits 1 -> "1:15.3". */
function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = digits ? Math.round(seconds * unit) : Math.floor(seconds);
  const rest = digits ? whole / unit : whole;
  const minutes = Math.floor(rest / 60);
  const last = (rest - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  if (minutes < 60) return `${minutes}:${last}`;
  const past = String(minutes % 60).padStart(2, "0");
  return `${Math.floor(minutes / 60)}:${past}:${last}`;
}

const percent = (share) => `${Math.round(100 * share)}%`;

const points = (effect) => `${effect < 0 ? "\u2212" : "+"}${Math.abs(Math.round(100 * effect))}`;

/** The emotion's name with how sure the model is of it. */
const sureness = (data, item) =>
  `${data.labels[item.label].name} ${percent(item.probabilities[item.label])}`;

/** The shortest beginnings that tell names apart: ["sadness", "surprise"] -> ["sa", "su"]. */
function beginnings(names) {
  return names.map((name) => {
    const letters = [...name];
    for (let size = 1; size < letters.length; size += 1) {
      const start = letters.slice(0, size).join("");
      if (names.filter((other) => other.startsWith(start)).length === 1) return start;
    }
    return name;
  });
}
