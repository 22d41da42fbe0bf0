/* The analysis that the page shows, as render.py writes it. */

/** @typedef {{name: string, colour: string, ink: string}} Label */

/**
 * Speaker and label are positions in the analysis's lists; times in seconds. `layer` is the row in
 * its speaker's lane, null without times. `overlap` is the share of its length during which others
 * talk, `doubtful` the places of words that the transcriber was not sure of, `set` the prediction
 * set, null without one.
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
 * Whether an utterance has a place in the timeline.
 * @param {Utterance} utterance
 * @returns {utterance is TimedUtterance}
 */
export const isTimed = (utterance) => utterance.layer !== null;

/**
 * Seconds that an utterance lasts; 0 without times.
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
