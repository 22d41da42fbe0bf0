/* The selected line in list, editor and player, and the rater's actions on it. */

import { byId, typedById } from "../../inference/page/elements.js";
import { count } from "../../inference/page/format.js";
import { BoundaryStrip } from "./boundary_strip.js";
import { ConflictCard } from "./conflict_card.js";
import { CorrectionClient } from "./correction_client.js";
import { findUndoAndRedo } from "./corrections.js";
import { LineEditor } from "./line_editor.js";
import { LineList } from "./line_list.js";
import { LinePlayer } from "./line_player.js";
import { PredictionOffer } from "./prediction_offer.js";

/** @import { Answer, Edit } from "./corrections.js" */

const NEIGHBOURS = 6; // neighbouring lines shown with the boundaries, on each side

export class CorrectionDesk {
  /** @type {string | null} */
  #selected = null;

  /** @type {string[]} The previous order. */
  #oldOrder = [];

  constructor() {
    this.client = new CorrectionClient({
      onLines: (changed, reordered) => this.#update(changed, reordered),
      onStatus: (text, trouble) => {
        byId("saved").textContent = text;
        byId("saved").classList.toggle("trouble", trouble);
      },
      onConflict: (edit, detail) => this.#showConflict(edit, detail),
      onRefusal: (detail) => this.complain(detail),
    });
    this.list = new LineList(this.client, {
      onText: (id, text) => this.#changeText(id, text),
      onSplit: (id, text, caret) => this.#split(id, text, caret),
    });
    this.editor = new LineEditor(this.client);
    this.strip = new BoundaryStrip((start, end) => this.#changeTimes(start, end));
    this.player = new LinePlayer(this.strip);
    this.conflict = new ConflictCard((edit) => {
      if (edit !== null) this.client.send(edit);
      this.focusSelected();
    });
    this.offer = new PredictionOffer(this.client, (problem) => this.complain(problem));
    /** Whether the lines are a sample, to be labelled rather than corrected. */
    this.labelsOnly = false;
    this.advance = typedById("advance", HTMLInputElement);
  }

  get selected() {
    return this.#selected;
  }

  /** The selected line. */
  get line() {
    return this.#selected === null ? undefined : this.client.lines.get(this.#selected);
  }

  /** @param {string} text */
  complain(text) {
    byId("trouble").textContent = text;
    byId("trouble").hidden = text === "";
  }

  /**
   * Show a loaded analysis, keeping the rater's position.
   * @param {Answer} answer
   */
  open(answer) {
    this.complain("");
    byId("recording").textContent = answer.recording;
    document.title = `Correct ${answer.recording}`;
    this.list.labels = new Map(answer.labels.map((label) => [label.name, label]));
    this.list.update(new Set(this.client.order), true);
    this.editor.createLabels(answer.labels, (label) => this.#chooseLabel(label));
    this.strip.limit = answer.duration ?? Infinity;
    this.player.open(answer.recording, answer.media);
    this.labelsOnly = answer.sample;
    document.body.classList.toggle("sample", answer.sample);
    if (answer.sample) {
      document.title = answer.recording;
      typedById("blind", HTMLInputElement).checked = true;
      this.advance.checked = true;
      this.client.blind = true;
    }
    this.offer.hasService = answer.predicts_again;
    this.offer.show();
  }

  /** Select the previously selected line, or the first one. */
  selectSome() {
    const id = this.line === undefined ? this.client.order[0] : this.#selected;
    if (id !== undefined) this.select(id);
  }

  focusSelected() {
    if (this.#selected !== null) this.list.focus(this.#selected);
  }

  /**
   * Show changes.
   * @param {Set<string>} changed
   * @param {boolean} reordered
   */
  #update(changed, reordered) {
    const { order, lines } = this.client;
    const selected = this.#selected;
    const place = selected === null ? -1 : Math.max(0, this.#oldOrder.indexOf(selected));
    this.list.update(changed, reordered);
    if (reordered) this.#oldOrder = order;
    if (selected !== null && !lines.has(selected)) {
      this.select(order[Math.min(Math.max(0, place - 1), order.length - 1)] ?? null);
    } else if (selected !== null && (reordered || changed.has(selected))) {
      this.#showSelected();
    }
    const { undo, redo } = findUndoAndRedo(this.client.corrections, this.client.rater);
    typedById("undo", HTMLButtonElement).disabled = undo === null;
    typedById("redo", HTMLButtonElement).disabled = redo === null;
    this.#showFacts();
    this.offer.show();
  }

  #showFacts() {
    const lines = [...this.client.lines.values()];
    const labelled = lines.filter(({ label }) => label !== null).length;
    const excluded = lines.filter((line) => line.excluded).length;
    const facts = [count(lines.length, "line"), `${labelled} labelled`];
    if (excluded > 0) facts.push(`${excluded} excluded`);
    byId("facts").textContent = facts.join(" · ");
  }

  #showSelected() {
    const { line } = this;
    if (line === undefined) return;
    const { order, lines } = this.client;
    const position = order.indexOf(line.id);
    this.player.load(line);
    this.editor.show(line, position);
    const nearby = order.slice(Math.max(0, position - NEIGHBOURS), position + NEIGHBOURS + 1);
    const others = nearby.filter((id) => id !== line.id).map((id) => lines.get(id));
    this.strip.show(line, others.filter((other) => other !== undefined));
    typedById("play", HTMLButtonElement).disabled = !this.player.canPlay(line);
  }

  /** @param {string | null} id */
  select(id) {
    this.#selected = id;
    this.list.select(id);
    byId("editor").hidden = id === null;
    this.#showSelected();
  }

  /**
   * Select a line and move focus and playback to it.
   * @param {string} id
   */
  goTo(id) {
    this.select(id);
    this.list.focus(id);
    this.player.seek(this.line);
  }

  /** @param {1 | -1} step */
  move(step) {
    if (this.#selected === null) return;
    const { order } = this.client;
    let position = order.indexOf(this.#selected) + step;
    while (position in order && !this.list.isVisible(order[position])) position += step;
    if (position in order) this.goTo(order[position]);
  }

  /** @param {string} label */
  #chooseLabel(label) {
    const { client } = this;
    if (this.#selected === null) return;
    this.complain("");
    client.send({ kind: "label", id: this.#selected, label, blind: client.blind }, { label });
    if (this.advance.checked) this.move(1);
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  #changeText(id, text) {
    this.complain("");
    this.client.send({ kind: "text", id, text }, { text, doubtful: [] });
  }

  /**
   * @param {string} id
   * @param {string} text
   * @param {number} caret
   */
  #split(id, text, caret) {
    if (text !== this.client.lines.get(id)?.text) this.#changeText(id, text);
    const character = [...text.slice(0, caret)].length;
    if (character === 0) this.complain("Put the caret between two words to split the line there.");
    else this.client.send({ kind: "split", id, character });
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  #changeTimes(start, end) {
    if (this.#selected === null) return;
    this.complain("");
    this.client.send({ kind: "times", id: this.#selected, start, end }, { start, end });
  }

  /** @param {boolean} everywhere */
  changeSpeaker(everywhere) {
    const speaker = this.editor.speaker.value.trim();
    if (this.#selected === null || speaker === "") return;
    this.complain("");
    this.client.send({ kind: "speaker", id: this.#selected, speaker, everywhere }, { speaker });
    this.list.focus(this.#selected);
  }

  editWords() {
    if (!this.labelsOnly && this.#selected !== null) this.list.edit(this.#selected);
  }

  merge() {
    if (this.#selected === null) return;
    const { order } = this.client;
    const other = order[order.indexOf(this.#selected) + 1];
    if (other !== undefined) this.client.send({ kind: "merge", id: this.#selected, other });
  }

  exclude() {
    const { line } = this;
    if (line === undefined) return;
    const excluded = !line.excluded;
    this.client.send({ kind: "exclude", id: line.id, excluded }, { excluded });
  }

  playOrPause() {
    this.player.playOrPause(this.line);
  }

  /**
   * Move a boundary of the selected line.
   * @param {"start" | "end"} side
   * @param {number} seconds
   */
  setBoundary(side, seconds) {
    this.strip.set(side, seconds);
    this.strip.commit();
  }

  /** @param {"undo" | "redo"} kind */
  async undoOrRedo(kind) {
    const { client } = this;
    while (client.isSaving) await new Promise((resolve) => setTimeout(resolve, 20));
    const number = findUndoAndRedo(client.corrections, client.rater)[kind];
    if (number === null) return;
    this.complain("");
    const correction = client.corrections.find((item) => item.number === number);
    client.send({ kind, number });
    while (client.isSaving) await new Promise((resolve) => setTimeout(resolve, 20));
    const line = correction?.lines.find((id) => client.lines.has(id));
    if (line !== undefined && this.#selected !== line) this.goTo(line);
  }

  /**
   * @param {Edit} edit
   * @param {string} detail
   */
  #showConflict(edit, detail) {
    if (edit.kind === "undo" || edit.kind === "redo") {
      this.complain(`${detail} Your ${edit.kind} was not done; correct the line itself.`);
      return;
    }
    this.conflict.show(edit, detail);
    if (typeof edit["id"] === "string" && this.client.lines.has(edit["id"])) this.select(edit["id"]);
  }
}
