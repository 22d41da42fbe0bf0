/* Plays the selected line and shows the playback position on its boundaries. */

import { byId, typedById } from "../../inference/page/elements.js";

/** @import { BoundaryStrip } from "./boundary_strip.js" */
/** @import { Line } from "./corrections.js" */

export class LinePlayer {
  /** @type {number | null} */
  #stopAt = null;

  #name = "";

  #exists = false;

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

  /** The playback time in seconds. */
  get time() {
    return this.media.currentTime;
  }

  /**
   * Show whether the recording exists; it is loaded with the first line.
   * @param {string} name
   * @param {boolean} exists
   */
  open(name, exists) {
    this.#name = name;
    this.#exists = exists;
    this.#show(exists, name);
    this.media.addEventListener("error", () => this.#show(false, this.#name));
  }

  /**
   * @param {boolean} exists
   * @param {string} name
   */
  #show(exists, name) {
    this.media.hidden = !exists;
    byId("no-media").hidden = exists;
    byId("no-media").textContent =
      `${name} cannot be played: it is missing, or this browser does not know its format.`;
  }

  /**
   * Load the recording of a line; lines of a sample have several.
   * @param {Line} line
   */
  load(line) {
    if (!this.#exists) return;
    const query = line.conversation === null ? "" : `?${new URLSearchParams({ conversation: line.conversation })}`;
    const source = `recording${query}`;
    if (this.media.getAttribute("src") === source) return;
    this.#name = line.conversation ?? this.#name;
    this.#show(true, this.#name);
    this.media.src = source;
  }

  /** @param {Line | undefined} line */
  canPlay(line) {
    return line !== undefined && line.start !== null && !this.media.hidden;
  }

  /** @param {Line | undefined} line */
  seek(line) {
    if (line === undefined || line.start === null || this.media.hidden) return;
    this.media.pause();
    this.#stopAt = null;
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
