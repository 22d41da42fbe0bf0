/* Plays a single utterance or the whole recording; the page follows. */

import { byId, typedById } from "./elements.js";
import { TimeIndex } from "./time_index.js";

/** @import { Analysis } from "./analysis.js" */

export class Player {
  /** @type {number | null} The utterance being spoken. */
  #current = null;

  /** @type {number | null} Stop time in seconds. */
  #stopAt = null;

  /** Whether the next "seeked" event is our own, which must not change the selection. */
  #seeking = false;

  /**
   * `onTime` is called with the playback time in seconds, `onUtterance` with each utterance when
   * it starts.
   * @param {Analysis} analysis
   * @param {{onTime: (seconds: number) => void, onUtterance: (index: number) => void}} events
   */
  constructor(analysis, { onTime, onUtterance }) {
    this.analysis = analysis;
    this.index = new TimeIndex(analysis.utterances);
    this.onTime = onTime;
    this.onUtterance = onUtterance;
    this.media = typedById("media", HTMLVideoElement);
    this.button = typedById("play", HTMLButtonElement);
    this.#listen();
    this.media.src = analysis.media;
  }

  #listen() {
    const { media } = this;
    media.addEventListener("error", () => this.#explainError());
    media.addEventListener("loadedmetadata", () => {
      media.classList.toggle("sound", media.videoWidth === 0);
    });
    media.addEventListener("play", () => requestAnimationFrame(() => this.#animate()));
    media.addEventListener("timeupdate", () => {
      if (!media.paused) this.#follow(); // when paused, it may be past the utterance's end
    });
    media.addEventListener("seeked", () => {
      if (this.#seeking) this.#current = this.index.at(media.currentTime);
      this.#seeking = false;
      this.#follow();
    });
    for (const event of ["play", "pause"]) {
      media.addEventListener(event, () => {
        this.button.textContent = media.paused ? "Play" : "Pause";
      });
    }
  }

  /** @param {number} index */
  select(index) {
    const { start } = this.analysis.utterances[index];
    // Some subtitles continue after the recording's end.
    this.button.disabled = start === null || start >= this.media.duration;
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.#stopAt = null;
    this.#seeking = true;
    this.media.currentTime = seconds;
    this.#current = this.index.at(seconds);
    this.onTime(seconds);
  }

  /**
   * Play one utterance from its start to its end.
   * @param {number} index
   */
  playUtterance(index) {
    const { start, end } = this.analysis.utterances[index];
    if (start !== null) this.seek(start);
    this.#stopAt = end;
    this.media.play().catch(() => {}); // reported by the error event
  }

  /** Report the time, and the utterance that starts. */
  #follow() {
    const { currentTime } = this.media;
    this.onTime(currentTime);
    if (this.#stopAt !== null && currentTime >= this.#stopAt) {
      this.media.pause();
      this.#stopAt = null;
      return;
    }
    const spoken = this.index.at(currentTime);
    if (spoken === this.#current || this.#seeking || this.#stopAt !== null) return;
    this.#current = spoken;
    if (spoken !== null) this.onUtterance(spoken);
  }

  #animate() {
    if (this.media.paused) return;
    this.#follow();
    requestAnimationFrame(() => this.#animate());
  }

  #explainError() {
    this.media.hidden = true;
    this.button.hidden = true;
    byId("trouble").hidden = false;
    byId("trouble").textContent =
      `${this.analysis.recording} cannot be played. Put it in the same folder as this page; ` +
      "if it is there already, this browser does not support its format.";
  }
}
