/* The shares of emotions in each speaker's time. */

import { secondsOf } from "./analysis.js";
import { createElement, createSpeakerDot, paint } from "./elements.js";
import { clock, count, percent } from "./format.js";

/** @import { Analysis, Utterance } from "./analysis.js" */

/**
 * @param {Analysis} analysis
 * @param {string[]} codes
 */
export function createSummary(analysis, codes) {
  return analysis.speakers.map((name, speaker) => {
    const own = analysis.utterances.filter((utterance) => utterance.speaker === speaker);
    const { seconds, shares } = measureShares(analysis, own);
    const doubted = own.filter(({ doubt }) => doubt !== null).length;
    const doubts = doubted ? `, ${count(doubted, "doubtful emotion")}` : "";
    const time = seconds ? `${clock(seconds)} of speech` : "times unknown, so shares by number";
    const present = shares.filter(({ share }) => share > 0);
    const pieces = present.map(({ position, share }) => {
      const piece = createElement("span", null, share > 0.04 ? codes[position] : "");
      piece.style.flexGrow = String(share);
      return paint(piece, analysis.labels[position]);
    });
    const texts = present.map(({ position, share }) => {
      const label = analysis.labels[position];
      const dot = paint(createElement("span", { class: "dot", "aria-hidden": "true" }), label);
      return createElement("li", null, dot, `${label.name} ${percent(share)}`);
    });
    return createElement(
      "article",
      null,
      createElement("h3", { dir: "auto" }, createSpeakerDot(speaker), name),
      createElement("p", { class: "quiet" }, `${count(own.length, "utterance")}, ${time}${doubts}`),
      createElement("div", { class: "stack", "aria-hidden": "true" }, ...pieces),
      createElement("ul", { class: "shares" }, ...texts),
    );
  });
}

/**
 * Seconds of speech, and each label's share of them (of utterances if times are unknown).
 * @param {Analysis} analysis
 * @param {Utterance[]} utterances
 */
function measureShares(analysis, utterances) {
  const seconds = utterances.reduce((sum, utterance) => sum + secondsOf(utterance), 0);
  const whole = seconds || utterances.length;
  const totals = analysis.labels.map(() => 0);
  for (const utterance of utterances) {
    totals[utterance.label] += seconds ? secondsOf(utterance) : 1;
  }
  return { seconds, shares: totals.map((total, position) => ({ position, share: total / whole })) };
}
