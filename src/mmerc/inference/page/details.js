/* The selected utterance: words, probability of every emotion, and effects. */

import { createWords, listDoubts } from "./doubts.js";
import { createElement, createSpeakerDot, paint } from "./elements.js";
import { clock, percent, points } from "./format.js";

/** @import { Analysis, Utterance } from "./analysis.js" */

const SCALE =
  "Percentage points of probability lost without it; " +
  "below 0, it spoke against the emotion.";

/**
 * @param {Analysis} analysis
 * @param {Utterance} utterance
 */
export function createDetails(analysis, utterance) {
  const { speaker } = utterance;
  const dot = createSpeakerDot(speaker);
  const doubts = listDoubts(utterance).map(({ sentence }) => createElement("li", null, sentence));
  return [
    createElement("p", { class: "quiet" }, describeTime(utterance)),
    createElement("p", { class: "name", dir: "auto" }, dot, analysis.speakers[speaker]),
    createElement("blockquote", { dir: "auto" }, ...createWords(utterance)),
    ...(doubts.length ? [createElement("ul", { class: "doubts" }, ...doubts)] : []),
    createElement("h3", null, "Emotion"),
    createEmotions(analysis, utterance),
    ...createSet(analysis, utterance),
    createElement("h3", null, "What counted"),
    createEffects(utterance),
    createElement("p", { class: "quiet small" }, SCALE),
  ];
}

/** @param {Utterance} utterance */
function describeTime({ start, end }) {
  if (start === null) return "time unknown";
  if (end === null) return `from ${clock(start, 1)}`;
  return `${clock(start, 1)} to ${clock(end, 1)}, ${(end - start).toFixed(1)} s`;
}

/**
 * @param {Analysis} analysis
 * @param {Utterance} utterance
 */
function createEmotions(analysis, utterance) {
  const rows = analysis.labels.map((label, position) => {
    const probability = utterance.probabilities[position];
    const row = createMeter(label.name, probability, percent(probability));
    if (position === utterance.label) row.classList.add("predicted");
    return paint(row, label);
  });
  return createElement("ul", { class: "meters" }, ...rows);
}

/**
 * The prediction set in words: "joy or surprise (90 %)".
 * @param {Analysis} analysis
 * @param {Utterance} utterance
 */
function createSet(analysis, utterance) {
  if (utterance.set === null || analysis.set_level === null) return [];
  const names = utterance.set.map((label) => analysis.labels[label].name).join(" or ");
  const unsure = utterance.unsure ? "unsure: " : "";
  const level = Number((100 * analysis.set_level).toFixed(1));
  return [createElement("p", { class: "set" }, `${unsure}${names} (${level} %)`)];
}

/** @param {Utterance} utterance */
function createEffects(utterance) {
  const rows = Object.entries(utterance.effects).map(([modality, effect]) => {
    if (effect !== null) return createEffect(modality, effect);
    const reason = utterance.absent[modality];
    return createElement(
      "li",
      null,
      createElement("span", null, modality),
      createElement("em", null, reason === undefined ? "not measured" : `absent: ${reason}`),
    );
  });
  if (utterance.context !== null) rows.push(createEffect("context", utterance.context));
  return createElement("ul", { class: "meters" }, ...rows);
}

/**
 * @param {string} name
 * @param {number} effect
 */
function createEffect(name, effect) {
  const row = createMeter(name, Math.abs(effect), points(effect));
  if (effect < 0) row.classList.add("against");
  return row;
}

/**
 * A name, a bar for the share (0 to 1), and the number.
 * @param {string} name
 * @param {number} share
 * @param {string} number
 */
function createMeter(name, share, number) {
  const fill = createElement("span", null);
  fill.style.width = `${100 * share}%`;
  return createElement(
    "li",
    null,
    createElement("span", null, name),
    createElement("span", { class: "meter", "aria-hidden": "true" }, fill),
    createElement("b", null, number),
  );
}
