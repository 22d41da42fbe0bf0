/* A lane per speaker, a bar per utterance. Positions are in percent, so zooming sets a width. */

import { isTimed } from "./analysis.js";
import { listBarMarks } from "./doubts.js";
import { byId, createElement, createSpeakerDot, paint } from "./elements.js";
import { clock, percent } from "./format.js";

/** @import { Analysis, Utterance } from "./analysis.js" */

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200]; // seconds
const LONGEST_STEP = 14400;
const MIN_TICK_WIDTH = 72; // pixels, like all widths below
const LETTER_WIDTH = 7;
const BAR_PADDING = 4;
const MAX_WIDTH = 100000;
const MAX_WIDTH_PER_SECOND = 120;

export class Timeline {
  /** @type {HTMLButtonElement | null} */
  #selected = null;

  /** @type {HTMLButtonElement | null} */
  #tabStop = null;

  #zoom = 1;

  /**
   * @param {Analysis} analysis
   * @param {string[]} codes
   */
  constructor(analysis, codes) {
    this.analysis = analysis;
    this.codes = codes;
    this.scroll = byId("scroll");
    this.lanes = byId("lanes");
    /** @type {(HTMLButtonElement | null)[]} */
    this.bars = [];
    this.axis = createElement("div", { class: "axis", "aria-hidden": "true" });
    this.playhead = createElement("div", { class: "head", "aria-hidden": "true" });
    new ResizeObserver(() => this.#fit()).observe(this.scroll);
    this.draw();
  }

  /** Draw all utterances; call again if the analysis has changed. */
  draw() {
    this.bars = this.analysis.utterances.map((item, index) => this.#createBar(item, index));
    this.lanes.replaceChildren(this.axis, ...this.#createLanes(), this.playhead);
    this.#moveTabStop(this.bars.find((bar) => bar !== null));
    this.#fit();
  }

  /**
   * @param {Utterance} utterance
   * @param {number} index
   */
  #createBar(utterance, index) {
    if (!isTimed(utterance)) return null;
    const { duration, labels, speakers } = this.analysis;
    const { start, end, label, layer } = utterance;
    const emotion = `${labels[label].name} ${percent(utterance.probabilities[label])}`;
    const doubt = utterance.doubt === null ? "" : " (doubtful)";
    const title = `${speakers[utterance.speaker]}, ${emotion}${doubt}`;
    const bar = createElement("button", {
      class: ["bar", ...listBarMarks(utterance)].join(" "),
      type: "button",
      tabindex: "-1",
      "data-index": index,
      "aria-label": `${clock(start)}, ${title}: ${utterance.text}`,
      title,
    });
    bar.style.left = `${(100 * start) / duration}%`;
    bar.style.width = `${(100 * (end - start)) / duration}%`;
    bar.style.setProperty("--layer", String(layer));
    return paint(bar, labels[label]);
  }

  #createLanes() {
    return this.analysis.speakers.flatMap((name, speaker) => {
      /** @type {HTMLButtonElement[]} */
      const bars = [];
      let layers = 0;
      this.analysis.utterances.forEach((utterance, index) => {
        const bar = this.bars[index];
        if (bar === null || utterance.speaker !== speaker || !isTimed(utterance)) return;
        bars.push(bar);
        layers = Math.max(layers, utterance.layer + 1);
      });
      if (bars.length === 0) return [];
      const track = createElement("div", { class: "track" }, ...bars);
      track.style.setProperty("--layers", String(layers));
      const title = createElement("span", { class: "name", dir: "auto" }, createSpeakerDot(speaker), name);
      const attributes = { class: "lane", role: "group", "aria-label": name };
      return [createElement("div", attributes, title, track)];
    });
  }

  /** Choose ticks and names for the available width. */
  #fit() {
    const width = this.lanes.clientWidth;
    const { duration, labels, utterances } = this.analysis;
    const step =
      STEPS.find((seconds) => (seconds * width) / duration >= MIN_TICK_WIDTH) ?? LONGEST_STEP;
    const ticks = [];
    for (let time = 0; time < duration; time += step) {
      const tick = createElement("span", null, clock(time));
      tick.style.left = `${(100 * time) / duration}%`;
      ticks.push(tick);
    }
    this.axis.replaceChildren(...ticks);
    utterances.forEach((utterance, index) => {
      const bar = this.bars[index];
      if (bar === null || !isTimed(utterance)) return;
      const pixels = ((utterance.end - utterance.start) * width) / duration;
      const letters = (pixels - BAR_PADDING) / LETTER_WIDTH;
      const names = [labels[utterance.label].name, this.codes[utterance.label]];
      const name = names.find((text) => text.length <= letters) ?? "";
      if (bar.textContent !== name) bar.textContent = name;
    });
  }

  /**
   * Zoom in or out; return the new zoom.
   * @param {number} factor
   */
  zoomBy(factor) {
    const width = this.scroll.clientWidth;
    const widest = Math.min(MAX_WIDTH, MAX_WIDTH_PER_SECOND * this.analysis.duration);
    const most = 2 ** Math.floor(Math.log2(Math.max(1, widest / width)));
    this.#zoom = Math.max(1, Math.min(this.#zoom * factor, most));
    this.lanes.style.width = `${100 * this.#zoom}%`;
    this.#fit();
    this.scroll.scrollLeft = this.playhead.offsetLeft - width / 2;
    return this.#zoom;
  }

  /**
   * Move the playhead and keep it in view.
   * @param {number} seconds
   */
  movePlayhead(seconds) {
    const { duration } = this.analysis;
    this.playhead.style.left = `${(100 * Math.min(seconds, duration)) / duration}%`;
    if (this.#zoom === 1) return;
    const width = this.scroll.clientWidth;
    const offset = this.playhead.offsetLeft - this.scroll.scrollLeft;
    if (offset < 0 || offset > width) {
      this.scroll.scrollLeft = this.playhead.offsetLeft - width / 5;
    }
  }

  /** @param {number} index */
  select(index) {
    this.#selected?.removeAttribute("aria-current");
    this.#selected = this.bars[index];
    this.#selected?.setAttribute("aria-current", "true");
    this.#moveTabStop(this.#selected);
  }

  /** @param {boolean[]} visible */
  filter(visible) {
    this.bars.forEach((bar, index) => {
      if (bar) bar.disabled = !visible[index];
    });
    if (this.#tabStop?.disabled) this.#moveTabStop(this.bars.find((bar) => bar && !bar.disabled));
  }

  /**
   * Only one bar is reachable with Tab; arrow keys move to the others.
   * @param {HTMLButtonElement | null | undefined} bar
   */
  #moveTabStop(bar) {
    if (!bar) return;
    this.#tabStop?.setAttribute("tabindex", "-1");
    this.#tabStop = bar;
    bar.setAttribute("tabindex", "0");
  }

  /** @param {number} index */
  focus(index) {
    this.bars[index]?.focus();
  }

  /** @param {number} pixels */
  secondsAt(pixels) {
    const { left, width } = this.lanes.getBoundingClientRect();
    return (Math.max(0, Math.min(pixels - left, width)) / width) * this.analysis.duration;
  }
}
