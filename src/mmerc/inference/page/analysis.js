/* The analysis shown on the page; written by render.py. */

/** @typedef {{name: string, colour: string, ink: string}} Label */

/**
 * Speaker and label are indices of the analysis's lists; times in seconds. `layer`: row in the
 * speaker's lane, null without times. `overlap`: share of its duration during which others talk.
 * `doubtful`: text spans of words that the transcriber was unsure of. `doubt`: why the label is
 * doubtful, null if it is not. `set`: the prediction set, null if there is none.
 * @typedef {object} Utterance
 * @property {number} speaker
 * @property {string} text
 * @property {number | null} start
 * @property {number | null} end
 * @property {number} label
 * @property {number[]} probabilities
 * @property {Record<string, number | null>} effects
 * @property {Record<string, string>} absent
 * @property {number | null} context
 * @property {number | null} layer
 * @property {number | null} overlap
 * @property {[number, number][]} doubtful
 * @property {string | null} doubt
 * @property {number[] | null} set
 * @property {boolean} unsure
 */

/** @typedef {Utterance & {start: number, end: number, layer: number}} TimedUtterance */

/**
 * @typedef {object} Analysis
 * @property {string} recording
 * @property {string} media
 * @property {number} duration
 * @property {string} model
 * @property {Label[]} labels
 * @property {string[]} speakers
 * @property {Utterance[]} utterances
 * @property {string[]} remarks
 * @property {number | null} set_level
 */

/**
 * Whether an utterance is in the timeline.
 * @param {Utterance} utterance
 * @returns {utterance is TimedUtterance}
 */
export const isTimed = (utterance) => utterance.layer !== null;

/**
 * Duration of an utterance in seconds; 0 without times.
 * @param {Utterance} utterance
 */
export const secondsOf = (utterance) =>
  isTimed(utterance) ? utterance.end - utterance.start : 0;

/**
 * The shortest prefixes that distinguish names: ["sadness", "surprise"] -> ["sa", "su"].
 * @param {string[]} names
 */
export function shortestPrefixes(names) {
  return names.map((name) => {
    const letters = [...name];
    for (let size = 1; size < letters.length; size += 1) {
      const prefix = letters.slice(0, size).join("");
      if (names.filter((other) => other.startsWith(prefix)).length === 1) return prefix;
    }
    return name;
  });
}
