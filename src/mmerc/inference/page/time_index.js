/* Finds the utterance at a time. */

import { isTimed, secondsOf } from "./analysis.js";

/** @import { TimedUtterance, Utterance } from "./analysis.js" */

const ROUNDING = 0.01; // seconds; rounding of times in players

export class TimeIndex {
  /** @param {Utterance[]} utterances */
  constructor(utterances) {
    /** @type {{index: number, utterance: TimedUtterance}[]} */
    this.timed = utterances.flatMap((utterance, index) =>
      isTimed(utterance) ? [{ index, utterance }] : [],
    );
    this.timed.sort((a, b) => a.utterance.start - b.utterance.start);
    this.longest = utterances.reduce((most, item) => Math.max(most, secondsOf(item)), 0);
  }

  /**
   * The utterance at a time that started last; null during silence.
   * @param {number} seconds
   */
  at(seconds) {
    const time = seconds + ROUNDING;
    for (let place = this.#started(time) - 1; place >= 0; place -= 1) {
      const { index, utterance } = this.timed[place];
      if (utterance.end > time) return index;
      if (utterance.start + this.longest <= time) return null;
    }
    return null;
  }

  /**
   * Number of utterances started by a time, by binary search.
   * @param {number} time
   */
  #started(time) {
    let low = 0;
    let high = this.timed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.timed[middle].utterance.start <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
