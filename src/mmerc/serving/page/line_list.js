/* All lines in groups, with in-place editing of words. Groups out of view are not laid out. */

import { byId, createElement, createSpeakerDot, paint } from "../../inference/page/elements.js";
import { createWords } from "../../inference/page/doubts.js";
import { clock, percent } from "../../inference/page/format.js";
import { isCorrected, shownLabel } from "./corrections.js";

/** @import { CorrectionClient } from "./correction_client.js" */
/** @import { LabelColour, Line } from "./corrections.js" */

const LEAST_SHARE = 0.1; // share of a line's duration from which overlap is doubtful
const GROUP = 25; // lines per group; a group is laid out when one of them is in view
const ROW_HEIGHT = 2.75; // rem; usual height

/** @param {Line} line */
export const isDoubtful = (line) =>
  line.doubtful.length > 0 ||
  line.doubt !== null ||
  (line.overlap !== null && line.overlap >= LEAST_SHARE) ||
  line.stale;

/** @typedef {{onText: (id: string, text: string) => void, onSplit: (id: string, text: string, caret: number) => void}} WordEvents */

export class LineList {
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();

  /** @type {string | null} */
  #selected = null;

  /** @type {Map<string, number>} Colour numbers of speakers. */
  #speakers = new Map();

  /** @type {{id: string, area: HTMLTextAreaElement} | null} */
  #editing = null;

  /**
   * @param {CorrectionClient} client
   * @param {WordEvents} events
   */
  constructor(client, events) {
    this.client = client;
    this.events = events;
    this.root = byId("lines");
    /** @type {Map<string, LabelColour>} */
    this.labels = new Map();
  }

  /** Whether somebody is editing words. */
  get isEditing() {
    return this.#editing !== null;
  }

  /**
   * Draw changed lines, or all lines if the order changed.
   * @param {Set<string>} changed
   * @param {boolean} reordered
   */
  update(changed, reordered) {
    for (const id of changed) {
      const line = this.client.lines.get(id);
      const row = this.#rows.get(id);
      if (line === undefined) {
        row?.remove();
        this.#rows.delete(id);
      } else if (row === undefined) {
        this.#rows.set(id, this.#createRow(line));
      } else if (this.#editing?.id !== id) {
        this.#fill(row, line);
      }
    }
    if (reordered) this.#arrange();
  }

  /** Move rows to their positions, touching only misplaced ones. */
  #arrange() {
    /** @type {HTMLElement | null} */
    let before = null;
    for (const id of this.client.order) {
      const row = this.#rows.get(id);
      if (row === undefined) continue;
      if (row !== this.#rowAfter(before)) this.#place(row, before);
      before = row;
    }
    for (const group of [...this.root.children]) {
      if (group.childElementCount === 0) group.remove();
    }
    this.#sizeGroups();
  }

  /** @param {Element | null} row */
  #rowAfter(row) {
    if (row === null) return this.root.querySelector(".line");
    return row.nextElementSibling ?? row.parentElement?.nextElementSibling?.firstElementChild ?? null;
  }

  /**
   * Put a row after another one in the same group, or in a new group if the last one is full.
   * @param {HTMLElement} row
   * @param {HTMLElement | null} before
   */
  #place(row, before) {
    const group = before?.parentElement ?? this.root.firstElementChild;
    const isEnd = before === null || (before === group?.lastElementChild && !group?.nextSibling);
    if (group === null || (isEnd && before !== null && group.childElementCount >= GROUP)) {
      this.root.append(createElement("div", { class: "group" }, row));
    } else if (before === null) {
      group.prepend(row);
    } else {
      before.after(row);
    }
  }

  /** Hide groups without visible rows; estimate the height of groups that are not laid out. */
  #sizeGroups() {
    for (const group of this.root.children) {
      if (!(group instanceof HTMLElement)) continue;
      const count = [...group.children].filter((row) => !row.hasAttribute("hidden")).length;
      group.hidden = count === 0;
      group.style.containIntrinsicSize = `auto ${count * ROW_HEIGHT}rem`;
    }
  }

  /** @param {Line} line */
  #createRow(line) {
    const row = createElement("div", { class: "line", role: "listitem", "data-id": line.id });
    this.#fill(row, line);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {Line} line
   */
  #fill(row, line) {
    const isCurrent = this.#selected === line.id;
    const focused = row.contains(document.activeElement);
    const start = line.start === null ? "–" : clock(line.start, 1);
    const label = shownLabel(line);
    const time = createElement(
      "button",
      {
        type: "button",
        class: "time",
        tabindex: isCurrent ? "0" : "-1",
        "aria-label": `${start}, ${line.speaker}, ${label ?? "no emotion yet"}${line.excluded ? ", excluded" : ""}: ${line.text}`,
      },
      start,
    );
    const who = createElement(
      "span",
      { class: "who", dir: "auto" },
      createSpeakerDot(this.#colourOf(line.speaker)),
      line.speaker,
    );
    row.replaceChildren(
      time,
      who,
      this.#createEmotion(line, label),
      createElement("p", { class: "said", dir: "auto" }, ...createWords(line)),
      ...this.#createMarks(line),
    );
    row.classList.toggle("excluded", line.excluded);
    row.classList.remove("editing");
    if (focused) time.focus({ preventScroll: true });
  }

  /**
   * @param {Line} line
   * @param {string | null} label
   */
  #createEmotion(line, label) {
    if (label === null) return createElement("span", { class: "emotion quiet" }, "choose");
    const colours = this.labels.get(label) ?? { colour: "#888888", ink: "#000000" };
    const dot = paint(createElement("span", { class: "dot", "aria-hidden": "true" }), colours);
    if (line.label !== null) {
      return createElement("span", { class: "emotion chosen" }, dot, createElement("b", null, label));
    }
    const probability = line.probabilities?.[label];
    const share = probability === undefined ? "" : ` ${percent(probability)}`;
    return createElement("span", { class: "emotion" }, dot, `${label}${share}`);
  }

  /** @param {Line} line */
  #createMarks(line) {
    const marks = [];
    if (line.excluded) marks.push("excluded");
    if (line.overlap !== null && line.overlap >= LEAST_SHARE) {
      marks.push(`overlap ${percent(line.overlap)}`);
    }
    if (line.doubtful.length > 0) marks.push("doubtful words");
    if (line.doubt !== null) marks.push(`doubtful prediction: ${line.doubt}`);
    if (line.stale) marks.push("prediction is of earlier words, speaker or times");
    if (isCorrected(line) && !line.excluded && line.conversation === null) {
      marks.push(`corrected: ${Object.keys(line.authors).join(", ")}`);
    }
    if (marks.length === 0) return [];
    return [createElement("p", { class: "marks quiet small" }, marks.join(" · "))];
  }

  /** @param {string} speaker */
  #colourOf(speaker) {
    if (!this.#speakers.has(speaker)) this.#speakers.set(speaker, this.#speakers.size);
    return this.#speakers.get(speaker) ?? 0;
  }

  /** @param {string | null} id */
  select(id) {
    const before = this.#selected === null ? undefined : this.#rows.get(this.#selected);
    before?.removeAttribute("aria-current");
    before?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.#selected = id;
    const row = id === null ? undefined : this.#rows.get(id);
    row?.setAttribute("aria-current", "true");
    row?.querySelector("button")?.setAttribute("tabindex", "0");
  }

  /** @param {string} id */
  focus(id) {
    const row = this.#rows.get(id);
    row?.querySelector("button")?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  /** @param {(line: Line) => boolean} isVisible */
  filter(isVisible) {
    let count = 0;
    for (const [id, row] of this.#rows) {
      const line = this.client.lines.get(id);
      row.hidden = line === undefined || !isVisible(line);
      if (!row.hidden) count += 1;
    }
    this.#sizeGroups();
    byId("none").hidden = count > 0;
  }

  /** @param {string} id */
  isVisible(id) {
    return this.#rows.get(id)?.hidden === false;
  }

  /**
   * Edit the words of a line in place: Enter saves, Escape cancels, Ctrl+Enter splits the line at
   * the caret.
   * @param {string} id
   */
  edit(id) {
    const row = this.#rows.get(id);
    const line = this.client.lines.get(id);
    if (row === undefined || line === undefined || this.#editing?.id === id) return;
    this.#close(true);
    const area = createElement("textarea", { rows: 1, dir: "auto", "aria-label": "Words" });
    area.value = line.text;
    const split = createElement("button", { type: "button" }, "Split at the caret");
    const keep = createElement("button", { type: "button" }, "Keep");
    const buttons = createElement("span", { class: "word-buttons" }, keep, split);
    row.querySelector(".said")?.replaceWith(createElement("div", { class: "said" }, area, buttons));
    row.classList.add("editing");
    this.#editing = { id, area };
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
    for (const button of [keep, split]) {
      // Otherwise the click would end the editing before it is handled.
      button.addEventListener("pointerdown", (event) => event.preventDefault());
    }
    keep.addEventListener("click", () => this.#close(true, true));
    split.addEventListener("click", () => this.#split());
    area.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#split();
      else if (event.key === "Enter" && !event.shiftKey) this.#close(true, true);
      else if (event.key === "Escape") this.#close(false, true);
      else return;
      event.preventDefault();
    });
    area.addEventListener("blur", (event) => {
      if (!(event.relatedTarget instanceof Node && buttons.contains(event.relatedTarget))) {
        this.#close(true);
      }
    });
  }

  /**
   * End the editing; `keep`: send the new words.
   * @param {boolean} keep
   * @param {boolean} [refocus]
   */
  #close(keep, refocus = false) {
    const editing = this.#editing;
    if (editing === null) return;
    this.#editing = null;
    const { id, area } = editing;
    const line = this.client.lines.get(id);
    const text = area.value.trim();
    this.update(new Set([id]), false);
    if (keep && line !== undefined && text !== line.text.trim()) this.events.onText(id, text);
    if (refocus) this.focus(id);
  }

  #split() {
    const editing = this.#editing;
    if (editing === null) return;
    const { id, area } = editing;
    const { value, selectionStart } = area;
    this.#close(false, true);
    this.events.onSplit(id, value, selectionStart);
  }
}
