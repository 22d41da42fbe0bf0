/* All utterances as a table, which is also printed. */

import { createWords, listDoubts } from "./doubts.js";
import { byId, createElement, createSpeakerDot, paint } from "./elements.js";
import { clock, percent } from "./format.js";

/** @import { Analysis, Utterance } from "./analysis.js" */

export class UtteranceTable {
  /** @type {number | null} */
  #selected = null;

  /** @param {Analysis} analysis */
  constructor(analysis) {
    this.analysis = analysis;
    this.list = byId("list");
    this.head = byId("head");
    this.body = byId("rows");
    /** @type {{row: HTMLTableRowElement, button: HTMLButtonElement}[]} */
    this.rows = [];
    this.draw();
  }

  /** Draw all utterances; call again if the analysis has changed. */
  draw() {
    this.rows = this.analysis.utterances.map((item, index) => this.#createRow(item, index));
    this.body.replaceChildren(...this.rows.map(({ row }) => row));
    this.#selected = null;
  }

  /**
   * Draw one utterance, which may be new.
   * @param {number} index
   */
  drawRow(index) {
    const drawn = this.#createRow(this.analysis.utterances[index], index);
    if (index < this.rows.length) this.rows[index].row.replaceWith(drawn.row);
    else this.body.append(drawn.row);
    this.rows[index] = drawn;
    if (this.#selected === index) this.select(index);
  }

  /**
   * @param {Utterance} utterance
   * @param {number} index
   */
  #createRow(utterance, index) {
    const { labels, speakers } = this.analysis;
    const speaker = speakers[utterance.speaker];
    const label = labels[utterance.label];
    const probability = percent(utterance.probabilities[utterance.label]);
    const start = utterance.start === null ? "–" : clock(utterance.start);
    const button = createElement(
      "button",
      {
        type: "button",
        tabindex: "-1",
        "aria-label": `${start}, utterance ${index + 1}, ${speaker}, ${label.name} ${probability}`,
      },
      start,
    );
    const time = createElement("td", { class: "time" }, button);
    if (utterance.end !== null) {
      time.append(createElement("span", { class: "until" }, `–${clock(utterance.end)}`));
    }
    const dot = paint(createElement("span", { class: "dot", "aria-hidden": "true" }), label);
    const doubts = listDoubts(utterance).map(({ name, sentence }) =>
      createElement("span", { class: "doubt", title: sentence }, name),
    );
    const who = createSpeakerDot(utterance.speaker);
    const row = createElement(
      "tr",
      { "data-index": index },
      time,
      createElement("td", { class: "who", dir: "auto" }, who, speaker),
      createElement("td", { class: "emotion" }, dot, label.name),
      createElement("td", { class: "sure" }, probability),
      createElement("td", { class: "said", dir: "auto" }, ...createWords(utterance), ...doubts),
    );
    return { row, button };
  }

  /** @param {number} index */
  select(index) {
    if (this.#selected !== null) {
      const { row, button } = this.rows[this.#selected];
      row.removeAttribute("aria-current");
      button.setAttribute("tabindex", "-1");
    }
    this.#selected = index;
    const { row, button } = this.rows[index];
    row.setAttribute("aria-current", "true");
    button.setAttribute("tabindex", "0");
    this.#reveal(row);
  }

  /**
   * Scroll only the list until the row is in view.
   * @param {HTMLElement} row
   */
  #reveal(row) {
    const highest = row.offsetTop - this.head.offsetHeight;
    const lowest = row.offsetTop + row.offsetHeight - this.list.clientHeight;
    if (this.list.scrollTop > highest) this.list.scrollTop = highest;
    if (this.list.scrollTop < lowest) this.list.scrollTop = lowest;
  }

  /** @param {boolean[]} visible */
  filter(visible) {
    this.rows.forEach(({ row }, index) => {
      row.hidden = !visible[index];
    });
  }

  /** @param {number} index */
  focus(index) {
    this.rows[index].button.focus({ preventScroll: true });
  }
}
