/* Plays the selected line, and shows where on its boundaries. */

import { byId, typedById } from "../../inference/page/elements.js";

/** @import { BoundaryStrip } from "./boundary_strip.js" */
/** @import { Line } from "./corrections.js" */

export class LinePlayer {
  /** @type {number | null} */
  #stopAt = null;

  /** @param {BoundaryStrip} strip */
  constructor(strip) {
    this.strip = strip;
    this.media = typedById("media", HTMLVideoElement);
    for (const type of ["play", "seeked", "timeupdate"]) {
      this.media.addEventListener(type, () => this.#follow());
    }
    for (const type of ["play", "pause"]) {
      this.media.addEventListener(type, () => {
        byId("play").textContent = this.media.paused ? "Play" : "Pause";
      });
    }
    this.media.addEventListener("loadedmetadata", () => {
      this.media.classList.toggle("sound", this.media.videoWidth === 0);
    });
  }

  /** The playing time in seconds. */
  get time() {
    return this.media.currentTime;
  }

  /**
   * Load the recording, if it is there.
   * @param {string} name
   * @param {boolean} exists
   */
  load(name, exists) {
    this.media.hidden = !exists;
    byId("no-media").hidden = exists;
    byId("no-media").textContent = `${name} is not beside the analysis.`;
    if (exists && this.media.getAttribute("src") === null) this.media.src = "recording";
  }

  /** @param {Line | undefined} line */
  canPlay(line) {
    return line !== undefined && line.start !== null && !this.media.hidden;
  }

  /** @param {Line | undefined} line */
  seek(line) {
    if (line === undefined || line.start === null || this.media.hidden) return;
    this.media.pause();
    this.media.currentTime = line.start;
  }

  /** @param {Line | undefined} line */
  playOrPause(line) {
    if (line === undefined || line.start === null || this.media.hidden) return;
    if (!this.media.paused) {
      this.media.pause();
      return;
    }
    this.media.currentTime = line.start;
    this.#stopAt = line.end;
    this.media.play().catch(() => {});
  }

  #follow() {
    this.strip.movePlayhead(this.media.currentTime);
    if (this.#stopAt !== null && this.media.currentTime >= this.#stopAt) {
      this.media.pause();
      this.#stopAt = null;
    }
    if (!this.media.paused) requestAnimationFrame(() => this.#follow());
  }
}
