/* Conflicting edits: the rater decides which one to keep. */

import { byId } from "../../inference/page/elements.js";

/** @import { Edit } from "./corrections.js" */

export class ConflictCard {
  /** @type {Edit | null} */
  #edit = null;

  /** @param {(edit: Edit | null) => void} onDecision called with the edit to resend, or null */
  constructor(onDecision) {
    byId("conflict-mine").addEventListener("click", () => this.#decide(onDecision, true));
    byId("conflict-theirs").addEventListener("click", () => this.#decide(onDecision, false));
  }

  /**
   * Show a rejected edit, and the other person's edit.
   * @param {Edit} edit
   * @param {string} detail
   */
  show(edit, detail) {
    this.#edit = edit;
    const { kind } = edit;
    const values = Object.entries(edit).filter(([name]) => name !== "kind" && name !== "id");
    const texts = values.map(([, value]) => value).filter((value) => typeof value !== "boolean");
    const mine = texts.join(" to ");
    byId("conflict-text").textContent = `${detail} Your ${kind}: ${mine || "change"}.`;
    byId("conflict").hidden = false;
  }

  /**
   * @param {(edit: Edit | null) => void} onDecision
   * @param {boolean} mine
   */
  #decide(onDecision, mine) {
    byId("conflict").hidden = true;
    const edit = this.#edit;
    this.#edit = null;
    onDecision(mine ? edit : null);
  }
}
