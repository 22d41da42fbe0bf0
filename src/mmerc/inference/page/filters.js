/* Filter utterances by emotion, speaker and words. */

import { byId, createElement, paint, typedById } from "./elements.js";

/** @import { Analysis, Utterance } from "./analysis.js" */

export class Filters {
  /**
   * `onChange` is called with the visibility of every utterance.
   * @param {Analysis} analysis
   * @param {string[]} codes
   * @param {(visible: boolean[]) => void} onChange
   */
  constructor(analysis, codes, onChange) {
    this.analysis = analysis;
    this.onChange = onChange;
    this.speaker = typedById("speaker", HTMLSelectElement);
    this.search = typedById("search", HTMLInputElement);
    this.chips = analysis.labels.map((_, position) => this.#createChip(position, codes[position]));
    byId("legend").append(...this.chips);
    const options = analysis.speakers.map((name, value) =>
      createElement("option", { value }, name),
    );
    this.speaker.append(...options);
    this.speaker.addEventListener("change", () => this.#apply());
    this.search.addEventListener("input", () => this.#apply());
    byId("reset").addEventListener("click", () => this.#reset());
  }

  /**
   * @param {number} position
   * @param {string} code
   */
  #createChip(position, code) {
    const label = this.analysis.labels[position];
    const uses = this.analysis.utterances.filter((item) => item.label === position).length;
    const swatch = createElement("span", { class: "swatch", "aria-hidden": "true" }, code);
    const chip = createElement(
      "button",
      { type: "button", "aria-pressed": "false" },
      paint(swatch, label),
      label.name,
      createElement("span", { class: "quiet" }, String(uses)),
    );
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      this.#apply();
    });
    return chip;
  }

  #apply() {
    const pressed = this.chips.map((chip) => chip.ariaPressed === "true");
    const anyLabel = !pressed.includes(true);
    const speaker = this.speaker.value;
    const words = normalise(this.search.value.trim());
    /** @param {Utterance} utterance */
    const matches = (utterance) =>
      (anyLabel || pressed[utterance.label]) &&
      (speaker === "" || utterance.speaker === Number(speaker)) &&
      normalise(utterance.text).includes(words);
    const visible = this.analysis.utterances.map(matches);
    const total = visible.filter((is) => is).length;
    byId("shown").textContent = total === visible.length ? "" : `${total} of ${visible.length}`;
    byId("reset").hidden = anyLabel && speaker === "" && words === "";
    this.onChange(visible);
  }

  #reset() {
    for (const chip of this.chips) chip.ariaPressed = "false";
    this.speaker.value = "";
    this.search.value = "";
    this.#apply();
    this.search.focus();
  }
}

/**
 * Remove accents and capitals, for searching.
 * @param {string} text
 */
const normalise = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
