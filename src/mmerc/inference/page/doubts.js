/* Doubts about an utterance: voice, words, face. */

import { createElement } from "./elements.js";
import { percent } from "./format.js";

/** @import { Utterance } from "./analysis.js" */

const LEAST_OVERLAP = 0.1; // share of its duration
const NO_FACE = "no face";

/** @param {Utterance} utterance */
export const isOverlapped = ({ overlap }) => overlap !== null && overlap >= LEAST_OVERLAP;

/**
 * Short names of the doubts about an utterance, each with a sentence.
 * @param {Utterance} utterance
 * @returns {{name: string, sentence: string}[]}
 */
export function listDoubts(utterance) {
  const doubts = [];
  if (utterance.overlap !== null && isOverlapped(utterance)) {
    const share = percent(utterance.overlap);
    const sentence = `Another speaker talks during ${share} of it.`;
    doubts.push({ name: `overlap ${share}`, sentence });
  }
  if (utterance.doubtful.length > 0) {
    const sentence = "The transcriber was not sure of the underlined words.";
    doubts.push({ name: "doubtful words", sentence });
  }
  if (utterance.absent["video"]?.startsWith(NO_FACE)) {
    doubts.push({ name: "no face", sentence: "No face of the speaker on screen." });
  }
  return doubts;
}

/**
 * The words of an utterance, with doubtful ones underlined.
 * @param {Pick<Utterance, "text" | "doubtful">} utterance
 * @returns {(Node | string)[]}
 */
export function createWords({ text, doubtful }) {
  const parts = [];
  let end = 0;
  for (const [from, to] of doubtful) {
    const word = createElement("span", { class: "doubtful" }, text.slice(from, to));
    parts.push(text.slice(end, from), word);
    end = to;
  }
  return [...parts, text.slice(end)];
}
