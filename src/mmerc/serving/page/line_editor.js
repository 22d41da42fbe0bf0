/* The editor of the selected line: emotion, boundaries, speaker, and history. */

import { byId, createElement, paint, typedById } from "../../inference/page/elements.js";
import { percent } from "../../inference/page/format.js";

/** @import { CorrectionClient } from "./correction_client.js" */
/** @import { LabelColour, Line } from "./corrections.js" */

export class LineEditor {
  /** @param {CorrectionClient} client */
  constructor(client) {
    this.client = client;
    this.speaker = typedById("speaker", HTMLInputElement);
    /** @type {HTMLButtonElement[]} */
    this.buttons = [];
  }

  /**
   * Create a button per label, with its key.
   * @param {LabelColour[]} labels
   * @param {(label: string) => void} onLabel
   */
  createLabels(labels, onLabel) {
    this.buttons = labels.map((label, position) => {
      const key = position < 9 ? String(position + 1) : "";
      const name = createElement("span", null, label.name);
      const hint = createElement("kbd", { "aria-hidden": "true" }, key);
      const swatch = createElement("span", { class: "dot", "aria-hidden": "true" });
      const attributes = { type: "button", "aria-pressed": "false", "data-label": label.name };
      const button = createElement("button", attributes, hint, paint(swatch, label), name);
      button.addEventListener("click", () => onLabel(label.name));
      return button;
    });
    byId("labels").replaceChildren(...this.buttons);
  }

  /**
   * @param {Line} line
   * @param {number} position
   */
  show(line, position) {
    byId("editor").hidden = false;
    byId("which").textContent = `Line ${position + 1} of ${this.client.order.length}`;
    for (const button of this.buttons) {
      button.ariaPressed = String(button.dataset["label"] === line.label);
    }
    byId("prediction").textContent = line.conversation === null ? describePrediction(line) : "";
    this.#showContext(line);
    if (document.activeElement !== this.speaker) this.speaker.value = line.speaker;
    const speakers = [...this.client.lines.values()].map(({ speaker }) => speaker);
    const same = speakers.filter((speaker) => speaker === line.speaker).length;
    byId("speaker-everywhere").textContent = `All ${same} of ${line.speaker}`;
    const options = [...new Set(speakers)].map((value) => createElement("option", { value }));
    byId("speakers").replaceChildren(...options);
    byId("exclude").textContent = line.excluded ? "Include" : "Exclude";
    typedById("merge", HTMLButtonElement).disabled = position + 1 >= this.client.order.length;
    this.#showHistory(line);
  }

  /**
   * Show the conversation, context and text of a line of a sample.
   * @param {Line} line
   */
  #showContext({ conversation, before, speaker, text }) {
    byId("context").hidden = conversation === null;
    if (conversation === null) return;
    const lines = before.map((said) => createElement("li", { dir: "auto" }, said));
    byId("before").replaceChildren(...lines);
    byId("now").textContent = `${speaker}: ${text}`;
    byId("from").textContent = before.length > 0 ? `${conversation}, before this:` : conversation;
  }

  /** @param {Line} line */
  #showHistory(line) {
    const own = this.client.corrections.filter(({ lines }) => lines.includes(line.id));
    const items = own.slice(-6).map(({ rater, time, kind, values }) => {
      const moment = new Date(1000 * time).toLocaleString();
      const what = kind === "undo" || kind === "redo" ? kind : `${kind}: ${values}`;
      return createElement("li", { dir: "auto" }, `${rater}, ${moment}: ${what}`);
    });
    byId("history").replaceChildren(...items);
    byId("history").hidden = items.length === 0;
  }
}

/** @param {Line} line */
function describePrediction(line) {
  const { predicted, probabilities } = line;
  if (predicted === null || probabilities === null) return "The prediction is hidden until you choose.";
  const ranked = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const names = ranked.slice(0, 3).map(([name, share]) => `${name} ${percent(share)}`);
  return `Predicted: ${names.join(", ")}`;
}
