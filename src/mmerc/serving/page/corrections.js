/* The corrections of an analysis, as returned by the service. */

/** @typedef {{rater: string, time: number}} Author */
/** @typedef {{name: string, colour: string, ink: string}} LabelColour */

/**
 * The current state of a line. `label` is a person's; `predicted` and `probabilities` are hidden
 * (null) from a blind rater who has not chosen yet. `pending`: an edit is being sent. For samples
 * only: `conversation`, the one to play, and `before`, the preceding utterances.
 * @typedef {object} Line
 * @property {string} id
 * @property {string} speaker
 * @property {string} text
 * @property {number | null} start
 * @property {number | null} end
 * @property {string | null} label
 * @property {string | null} predicted
 * @property {Record<string, number> | null} probabilities
 * @property {boolean} excluded
 * @property {boolean} stale
 * @property {number | null} overlap
 * @property {[number, number][]} doubtful
 * @property {string | null} doubt
 * @property {Record<string, Author>} authors
 * @property {boolean} [pending]
 * @property {string | null} conversation
 * @property {string[]} before
 */

/**
 * @typedef {object} Correction
 * @property {number} number
 * @property {string} rater
 * @property {number} time
 * @property {string} kind
 * @property {number | null} target
 * @property {string[]} lines
 * @property {string} values
 */

/**
 * @typedef {object} Answer
 * @property {number} revision
 * @property {string} recording
 * @property {boolean} media
 * @property {number | null} duration
 * @property {string} model
 * @property {boolean} predicts_again
 * @property {boolean} sample
 * @property {LabelColour[]} labels
 * @property {string[] | null} order
 * @property {Line[]} lines
 * @property {Correction[]} corrections
 */

/** @typedef {{kind: string} & Record<string, unknown>} Edit */

/**
 * The label to show: a person's, else the model's.
 * @param {Line} line
 */
export const shownLabel = (line) => line.label ?? line.predicted;

/**
 * Whether a line was edited.
 * @param {Line} line
 */
export const isCorrected = (line) => Object.keys(line.authors).length > 0;

/**
 * The rater's latest correction that can be undone, and the latest one that can be redone.
 * @param {Correction[]} corrections
 * @param {string} rater
 */
export function findUndoAndRedo(corrections, rater) {
  /** @type {number[]} */
  const done = [];
  /** @type {number[]} */
  let undone = [];
  for (const { number, kind, target, rater: author } of corrections) {
    if (target === null) {
      if (author !== rater) continue;
      done.push(number);
      undone = [];
    } else if (kind === "undo") {
      const place = done.indexOf(target);
      if (place >= 0) done.splice(place, 1);
      if (place >= 0 && author === rater) undone.push(target);
    } else {
      const place = undone.indexOf(target);
      if (place >= 0) undone.splice(place, 1);
      if (place >= 0) done.push(target);
    }
  }
  return { undo: done.at(-1) ?? null, redo: undone.at(-1) ?? null };
}
