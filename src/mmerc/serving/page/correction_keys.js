/* Keyboard shortcuts of the correction page, and their list. */

import { byId, createElement } from "../../inference/page/elements.js";

/** @import { CorrectionDesk } from "./correction_desk.js" */

const NUDGE = 0.05; // seconds
/** @type {[string, string][]} Shortcuts that also work in a sample. */
const LABELLING_KEYS = [
  ["1 to 9", "choose the emotion"],
  ["↑ ↓", "previous, next line"],
  ["Space", "play the line"],
  ["Ctrl+Z", "undo; with Shift redo"],
];
/** @type {[string, string][]} */
const CORRECTING_KEYS = [
  ["Enter", "edit the words; Enter keeps them, Esc does not"],
  ["Ctrl+Enter", "while editing: split at the caret"],
  ["m", "merge with the next line"],
  ["s", "speaker"],
  ["x", "exclude or include"],
  ["[ ]", "start or end at the playing time"],
  ["Alt+← →", "move the start; with Shift the end"],
];

/** @type {Record<string, (desk: CorrectionDesk) => void>} */
const COMMANDS = {
  ArrowDown: (desk) => desk.move(1),
  ArrowUp: (desk) => desk.move(-1),
  " ": (desk) => desk.playOrPause(),
  Enter: (desk) => desk.editWords(),
  m: (desk) => desk.merge(),
  x: (desk) => desk.exclude(),
  s: (desk) => desk.editor.speaker.select(),
  "[": (desk) => desk.setBoundary("start", desk.player.time),
  "]": (desk) => desk.setBoundary("end", desk.player.time),
};

const LABELLING = new Set(["ArrowDown", "ArrowUp", " "]); // keys that also work in a sample

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;

/**
 * Shortcuts work in the list and on the editor's buttons, but not in text fields.
 * @param {CorrectionDesk} desk
 * @param {KeyboardEvent} event
 */
function handleKey(desk, event) {
  const { target, key } = event;
  if (isTyping(target) || event.ctrlKey || event.metaKey) return;
  if (event.altKey) {
    handleNudge(desk, event);
    return;
  }
  const isButton = target instanceof HTMLButtonElement && !target.classList.contains("time");
  if (isButton && (key === "Enter" || key === " ")) return;
  const label = /^[1-9]$/.test(key) ? desk.editor.buttons[Number(key) - 1] : undefined;
  if (label !== undefined) label.click();
  else if (key in COMMANDS && (!desk.labelsOnly || LABELLING.has(key))) COMMANDS[key](desk);
  else return;
  event.preventDefault();
}

/**
 * @param {CorrectionDesk} desk
 * @param {KeyboardEvent} event
 */
function handleNudge(desk, event) {
  const { line } = desk;
  if (line === undefined || desk.labelsOnly || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
  const side = event.shiftKey ? "end" : "start";
  const time = line[side];
  if (time !== null) desk.setBoundary(side, time + (event.key === "ArrowLeft" ? -NUDGE : NUDGE));
  event.preventDefault();
}

/**
 * @param {CorrectionDesk} desk
 * @param {KeyboardEvent} event
 */
function handleUndoKey(desk, event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || isTyping(event.target)) return;
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  desk.undoOrRedo(key === "y" || event.shiftKey ? "redo" : "undo");
}

/** @param {CorrectionDesk} desk */
export function listenToKeys(desk) {
  for (const id of ["lines", "editor"]) {
    byId(id).addEventListener("keydown", (event) => handleKey(desk, event));
  }
  document.addEventListener("keydown", (event) => handleUndoKey(desk, event));
  byId("keys").append(...describeKeys(LABELLING_KEYS, null), ...describeKeys(CORRECTING_KEYS, "correcting"));
}

/**
 * @param {[string, string][]} keys
 * @param {string | null} name of a class
 */
function describeKeys(keys, name) {
  return keys.flatMap(([key, text]) => [
    createElement("dt", { class: name }, createElement("kbd", null, key)),
    createElement("dd", { class: name }, text),
  ]);
}
