/* Edit the boundaries of a line: two handles on a part of the timeline, by pointer or keyboard. */

import { byId, createElement } from "../../inference/page/elements.js";
import { clock } from "../../inference/page/format.js";

/** @import { Line } from "./corrections.js" */

const MARGIN = 1.5; // seconds around the line; in seconds like all below
const STEP = 0.05;
const LARGE_STEP = 0.5;
const SHORTEST = 0.05;

/** @typedef {Line & {start: number, end: number}} TimedLine */

/**
 * @param {Line} line
 * @returns {line is TimedLine}
 */
const hasTimes = (line) => line.start !== null && line.end !== null;

export class BoundaryStrip {
  /** @type {TimedLine | null} */
  #line = null;

  #from = 0;

  #seconds = 1;

  /** @type {{start: number, end: number}} */
  #times = { start: 0, end: 0 };

  #dragging = false;

  /** @param {(start: number, end: number) => void} onChange called when a handle is let go */
  constructor(onChange) {
    this.onChange = onChange;
    this.root = byId("times");
    this.strip = byId("strip");
    this.others = byId("strip-lines");
    this.playhead = byId("strip-head");
    this.handles = { start: byId("strip-start"), end: byId("strip-end") };
    this.own = createElement("span", { class: "own" });
    this.limit = Infinity;
    for (const side of /** @type {const} */ (["start", "end"])) this.#listen(side);
  }

  /**
   * Show a line between its neighbours.
   * @param {Line} line
   * @param {Line[]} neighbours
   */
  show(line, neighbours) {
    if (this.#dragging && this.#line?.id === line.id) return;
    this.root.hidden = !hasTimes(line);
    this.#line = hasTimes(line) ? line : null;
    if (this.#line === null) return;
    const { start, end } = this.#line;
    this.#times = { start, end };
    const margin = Math.max(MARGIN, (end - start) / 3);
    this.#from = Math.max(0, start - margin);
    this.#seconds = Math.min(this.limit, end + margin) - this.#from;
    const bars = neighbours.filter(hasTimes).map((other) => {
      const bar = createElement("span", null);
      this.#place(bar, other.start, other.end);
      return bar;
    });
    this.others.replaceChildren(...bars, this.own);
    this.#draw();
  }

  /** @param {number} seconds */
  movePlayhead(seconds) {
    const share = (seconds - this.#from) / this.#seconds;
    this.playhead.hidden = share < 0 || share > 1;
    this.playhead.style.left = `${100 * share}%`;
  }

  /**
   * Move a boundary, as far as the other one and the recording allow.
   * @param {"start" | "end"} side
   * @param {number} seconds
   */
  set(side, seconds) {
    const { start, end } = this.#times;
    const [low, high] = side === "start" ? [0, end - SHORTEST] : [start + SHORTEST, this.limit];
    const value = Math.min(Math.max(seconds, low), high);
    this.#times = { ...this.#times, [side]: Math.round(value * 1000) / 1000 };
    this.#draw();
  }

  /** Report the boundaries if they changed. */
  commit() {
    const line = this.#line;
    const { start, end } = this.#times;
    if (line !== null && (line.start !== start || line.end !== end)) this.onChange(start, end);
  }

  /**
   * @param {HTMLElement} bar
   * @param {number} start
   * @param {number} end
   */
  #place(bar, start, end) {
    bar.style.left = `${(100 * (start - this.#from)) / this.#seconds}%`;
    bar.style.width = `${(100 * (end - start)) / this.#seconds}%`;
  }

  #draw() {
    const { start, end } = this.#times;
    this.#place(this.own, start, end);
    for (const [side, handle] of Object.entries(this.handles)) {
      const seconds = side === "start" ? start : end;
      handle.style.left = `${(100 * (seconds - this.#from)) / this.#seconds}%`;
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", String(Number.isFinite(this.limit) ? this.limit : end));
      handle.setAttribute("aria-valuenow", String(seconds));
      handle.setAttribute("aria-valuetext", clock(seconds, 2));
    }
    byId("start-text").textContent = clock(start, 2);
    byId("end-text").textContent = `${clock(end, 2)} · ${(end - start).toFixed(2)} s`;
  }

  /** @param {"start" | "end"} side */
  #listen(side) {
    const handle = this.handles[side];
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#dragging = true;
    });
    handle.addEventListener("pointermove", (event) => {
      if (!this.#dragging) return;
      const { left, width } = this.strip.getBoundingClientRect();
      this.set(side, this.#from + ((event.clientX - left) / width) * this.#seconds);
    });
    for (const type of ["pointerup", "pointercancel"]) {
      handle.addEventListener(type, () => {
        this.#dragging = false;
        this.commit();
      });
    }
    handle.addEventListener("keydown", (event) => {
      const directions = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
      const direction = directions[/** @type {keyof typeof directions} */ (event.key)];
      if (direction === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.set(side, this.#times[side] + direction * (event.shiftKey ? LARGE_STEP : STEP));
    });
    handle.addEventListener("keyup", () => this.commit());
    handle.addEventListener("blur", () => this.commit());
  }
}
