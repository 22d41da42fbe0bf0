/* Doubts about an utterance: label, voice, words, face. */

import { createElement } from "./elements.js";
import { percent } from "./format.js";

/** @import { Utterance } from "./analysis.js" */

const LEAST_OVERLAP = 0.1; // share of its duration
const NO_FACE = "no face";

/** @param {Utterance} utterance */
const isOverlapped = ({ overlap }) => overlap !== null && overlap >= LEAST_OVERLAP;

/**
 * The classes that mark an utterance's bar on the timeline.
 * @param {Utterance} utterance
 */
export function listBarMarks(utterance) {
  const marks = [];
  if (isOverlapped(utterance)) marks.push("overlapped");
  if (utterance.doubt !== null) marks.push("doubted");
  return marks;
}

/**
 * Short names of the doubts about an utterance, each with a sentence.
 * @param {Utterance} utterance
 * @returns {{name: string, sentence: string}[]}
 */
export function listDoubts(utterance) {
  const doubts = [];
  if (utterance.doubt !== null) {
    const sentence = `The emotion is doubtful: it was predicted without reliable words (${utterance.doubt}).`;
    doubts.push({ name: "doubtful emotion", sentence });
  }
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
 * The words of an utterance, with doubtful ones underlined; "(no words)" if there are none.
 * @param {Pick<Utterance, "text" | "doubtful">} utterance
 * @returns {(Node | string)[]}
 */
export function createWords({ text, doubtful }) {
  if (!text) return ["(no words)"];
  const parts = [];
  let end = 0;
  for (const [from, to] of doubtful) {
    const word = createElement("span", { class: "doubtful" }, text.slice(from, to));
    parts.push(text.slice(end, from), word);
    end = to;
  }
  return [...parts, text.slice(end)];
}
