/* Helpers for building pages. Text is always set as text, never as markup. */

/**
 * The element with an id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return typedById(id, HTMLElement);
}

/**
 * The element with an id, of a known type.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function typedById(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`The page has no ${type.name} with the id ${id}.`);
}

/**
 * Create an element with attributes (null ones are skipped) and children.
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Record<string, string | number | null> | null} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function createElement(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null) element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Give an element the colour of a label and a readable text colour.
 * @template {HTMLElement} T
 * @param {T} element
 * @param {{colour: string, ink: string}} label
 * @returns {T}
 */
export function paint(element, label) {
  element.style.setProperty("--colour", label.colour);
  element.style.setProperty("--ink", label.ink);
  return element;
}

const SPEAKER_COLOURS = 8;

/**
 * Create a dot in a speaker's colour; colours repeat from the ninth speaker on.
 * @param {number} speaker
 */
export function createSpeakerDot(speaker) {
  const name = `speaker-dot speaker-${speaker % SPEAKER_COLOURS}`;
  return createElement("span", { class: name, "aria-hidden": "true" });
}
