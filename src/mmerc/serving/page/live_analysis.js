/* The reported utterances of a live session, as an analysis for timeline and table. */

/** @import { Analysis, Label, Utterance } from "../../inference/page/analysis.js" */

const LEAST_DURATION = 30; // seconds; minimum length of the timeline
const GROWTH = 1.25; // growth factor of a full timeline, so that bars rarely move
const LAYER = 0; // a live speaker's utterances do not overlap

/**
 * Return a function that converts a span of a text from characters to UTF-16 units.
 * @param {string} text
 * @returns {(place: [number, number]) => [number, number]}
 */
function createUnitPlaces(text) {
  const characters = [...text];
  /** @param {number} end */
  const countUnits = (end) => characters.slice(0, end).join("").length;
  return ([start, end]) => [countUnits(start), countUnits(end)];
}

/** @implements {Analysis} */
export class LiveAnalysis {
  /** @type {Utterance[]} */
  utterances = [];

  /** @type {string[]} */
  speakers = [];

  /** @type {string[]} */
  remarks = [];

  recording = "live";
  media = "";
  duration = LEAST_DURATION;
  set_level = null;

  /** @type {number[]} Index of each utterance in the session. */
  #indices = [];

  /**
   * @param {string} model
   * @param {Label[]} labels
   */
  constructor(model, labels) {
    this.model = model;
    this.labels = labels;
  }

  /**
   * Add or replace an utterance; return its position.
   * @param {any} reported
   */
  put(reported) {
    const known = this.#indices.indexOf(reported.index);
    const position = known < 0 ? this.#indices.length : known;
    this.#indices[position] = reported.index;
    this.utterances[position] = this.#convert(reported);
    this.hear(reported.end);
    return position;
  }

  /**
   * Withdraw an utterance.
   * @param {number} index
   */
  withdraw(index) {
    const position = this.#indices.indexOf(index);
    if (position < 0) return;
    this.#indices.splice(position, 1);
    this.utterances.splice(position, 1);
  }

  /**
   * Extend the timeline if it is full; return whether it was extended.
   * @param {number} seconds
   */
  hear(seconds) {
    if (seconds <= this.duration) return false;
    this.duration = LEAST_DURATION * Math.ceil((GROWTH * seconds) / LEAST_DURATION);
    return true;
  }

  /**
   * @param {any} reported
   * @returns {Utterance}
   */
  #convert(reported) {
    return {
      speaker: this.#findSpeaker(reported.speaker),
      text: reported.text,
      start: reported.start,
      end: reported.end,
      label: this.labels.findIndex(({ name }) => name === reported.emotion),
      probabilities: this.labels.map(({ name }) => reported.probabilities[name]),
      effects: reported.effects,
      absent: reported.absent,
      context: reported.context_effect,
      layer: LAYER,
      overlap: reported.overlap,
      doubtful: reported.doubtful_places.map(createUnitPlaces(reported.text)),
      doubt: reported.doubtful_label,
      set: null,
      unsure: false,
    };
  }

  /** @param {string} name */
  #findSpeaker(name) {
    if (!this.speakers.includes(name)) this.speakers.push(name);
    return this.speakers.indexOf(name);
  }
}
