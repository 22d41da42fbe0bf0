/* Correcting an analysis: list, editor and player show the selected line; keys do everything. */

import { byId, createElement, typedById } from "../../inference/page/elements.js";
import { count } from "../../inference/page/format.js";
import { BoundaryStrip } from "./boundary_strip.js";
import { CorrectionClient } from "./correction_client.js";
import { findUndoAndRedo, isCorrected } from "./corrections.js";
import { LineEditor } from "./line_editor.js";
import { isDoubtful, LineList } from "./line_list.js";
import { RequestError } from "./requests.js";

/** @import { Answer, Edit, Line } from "./corrections.js" */

const RATER = "mmerc-rater";
const NUDGE = 0.05; // seconds
/** @type {[string, string][]} */
const KEYS = [
  ["1 to 9", "choose the emotion"],
  ["↑ ↓", "previous, next line"],
  ["Space", "play the line"],
  ["Enter", "edit the words; Enter keeps them, Esc does not"],
  ["Ctrl+Enter", "while editing: split at the caret"],
  ["m", "merge with the next line"],
  ["s", "speaker"],
  ["x", "exclude or include"],
  ["[ ]", "start or end at the playing time"],
  ["Alt+← →", "move the start; with Shift the end"],
  ["Ctrl+Z", "undo; with Shift redo"],
];
/** @type {[string, string][]} */
const FILES = [
  ["csv", "Table (CSV)"],
  ["jsonl", "JSON Lines"],
  ["eaf", "ELAN"],
  ["TextGrid", "Praat"],
  ["vtt", "Captions"],
  ["html", "Page"],
  ["corrections.csv", "Who corrected what"],
  ["labels.csv", "Labels, for mmerc agree"],
];
/** @type {Record<string, (line: Line) => boolean>} */
const FILTERS = {
  all: () => true,
  unlabelled: (line) => line.label === null && !line.excluded,
  doubtful: isDoubtful,
  changed: isCorrected,
  excluded: (line) => line.excluded,
};

/** @type {string | null} */
let selected = null;
/** @type {Edit | null} */
let conflicting = null;
/** @type {number | null} */
let stopAt = null;
const media = typedById("media", HTMLVideoElement);
const blind = typedById("blind", HTMLInputElement);
const advance = typedById("advance", HTMLInputElement);
const filter = typedById("which-lines", HTMLSelectElement);
const client = new CorrectionClient({
  onLines: update,
  onStatus: (text, trouble) => {
    byId("saved").textContent = text;
    byId("saved").classList.toggle("trouble", trouble);
  },
  onConflict: showConflict,
  onRefusal: complain,
});
const list = new LineList(client, { onText: changeText, onSplit: splitLine });
const editor = new LineEditor(client);
const strip = new BoundaryStrip((start, end) => changeTimes(start, end));

/** @param {string} text */
function complain(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = text === "";
}

/**
 * Show what changed.
 * @param {Set<string>} changed
 * @param {boolean} reordered
 */
function update(changed, reordered) {
  const place = selected === null ? -1 : Math.max(0, oldOrder.indexOf(selected));
  list.update(changed, reordered);
  if (reordered) oldOrder = client.order;
  if (selected !== null && !client.lines.has(selected)) {
    select(client.order[Math.min(Math.max(0, place - 1), client.order.length - 1)] ?? null);
  } else if (selected !== null && (reordered || changed.has(selected))) {
    showSelected();
  }
  const { undo, redo } = findUndoAndRedo(client.corrections, client.rater);
  typedById("undo", HTMLButtonElement).disabled = undo === null;
  typedById("redo", HTMLButtonElement).disabled = redo === null;
  showFacts();
}

/** @type {string[]} The order before the latest change. */
let oldOrder = [];

function showFacts() {
  const lines = [...client.lines.values()];
  const labelled = lines.filter(({ label }) => label !== null).length;
  const excluded = lines.filter((line) => line.excluded).length;
  const facts = [count(lines.length, "line"), `${labelled} labelled`];
  if (excluded > 0) facts.push(`${excluded} excluded`);
  byId("facts").textContent = facts.join(" · ");
}

function showSelected() {
  const line = selected === null ? undefined : client.lines.get(selected);
  if (line === undefined) return;
  const position = client.order.indexOf(line.id);
  editor.show(line, position);
  const neighbours = client.order.slice(Math.max(0, position - 6), position + 7);
  const others = neighbours.filter((id) => id !== line.id).map((id) => client.lines.get(id));
  strip.show(line, others.filter((other) => other !== undefined));
  typedById("play", HTMLButtonElement).disabled = line.start === null || Boolean(media.hidden);
}

/** @param {string | null} id */
function select(id) {
  selected = id;
  list.select(id);
  byId("editor").hidden = id === null;
  showSelected();
}

/**
 * Select a line, and put focus and playback on it.
 * @param {string} id
 */
function goTo(id) {
  select(id);
  list.focus(id);
  const start = client.lines.get(id)?.start ?? null;
  if (start !== null && !media.hidden) {
    media.pause();
    media.currentTime = start;
  }
}

/** @param {1 | -1} step */
function move(step) {
  if (selected === null) return;
  let position = client.order.indexOf(selected) + step;
  while (position in client.order && !list.isVisible(client.order[position])) position += step;
  if (position in client.order) goTo(client.order[position]);
}

/** @param {string} label */
function chooseLabel(label) {
  if (selected === null) return;
  complain("");
  client.send({ kind: "label", id: selected, label, blind: client.blind }, { label });
  if (advance.checked) move(1);
}

/**
 * @param {string} id
 * @param {string} text
 */
function changeText(id, text) {
  complain("");
  client.send({ kind: "text", id, text }, { text, doubtful: [] });
}

/**
 * @param {string} id
 * @param {string} text
 * @param {number} caret
 */
function splitLine(id, text, caret) {
  if (text !== client.lines.get(id)?.text) changeText(id, text);
  const character = [...text.slice(0, caret)].length;
  if (character === 0) complain("Put the caret between two words to split the line there.");
  else client.send({ kind: "split", id, character });
}

/**
 * @param {number} start
 * @param {number} end
 */
function changeTimes(start, end) {
  if (selected === null) return;
  complain("");
  client.send({ kind: "times", id: selected, start, end }, { start, end });
}

/** @param {boolean} everywhere */
function changeSpeaker(everywhere) {
  const speaker = editor.speaker.value.trim();
  if (selected === null || speaker === "") return;
  complain("");
  client.send({ kind: "speaker", id: selected, speaker, everywhere }, { speaker });
  list.focus(selected);
}

function editWords() {
  if (selected !== null) list.edit(selected);
}

function merge() {
  if (selected === null) return;
  const other = client.order[client.order.indexOf(selected) + 1];
  if (other !== undefined) client.send({ kind: "merge", id: selected, other });
}

function exclude() {
  const line = selected === null ? undefined : client.lines.get(selected);
  if (line === undefined) return;
  const excluded = !line.excluded;
  client.send({ kind: "exclude", id: line.id, excluded }, { excluded });
}

/** @param {"undo" | "redo"} kind */
async function undoOrRedo(kind) {
  while (client.isSaving) await new Promise((resolve) => setTimeout(resolve, 20));
  const number = findUndoAndRedo(client.corrections, client.rater)[kind];
  if (number === null) return;
  complain("");
  const correction = client.corrections.find((item) => item.number === number);
  client.send({ kind, number });
  while (client.isSaving) await new Promise((resolve) => setTimeout(resolve, 20));
  const line = correction?.lines.find((id) => client.lines.has(id));
  if (line !== undefined && selected !== line) goTo(line);
}

/**
 * Somebody else was faster: nothing is lost, the rater decides.
 * @param {Edit} edit
 * @param {string} detail
 */
function showConflict(edit, detail) {
  if (edit.kind === "undo" || edit.kind === "redo") {
    complain(`${detail} Your ${edit.kind} was not done; correct the line itself.`);
    return;
  }
  conflicting = edit;
  const { kind, id, ...values } = edit;
  const mine = Object.values(values).filter((value) => typeof value !== "boolean").join(" to ");
  byId("conflict-text").textContent = `${detail} Your ${kind}: ${mine || "change"}.`;
  byId("conflict").hidden = false;
  if (typeof id === "string" && client.lines.has(id)) select(id);
}

/** @param {boolean} mine */
function resolveConflict(mine) {
  byId("conflict").hidden = true;
  if (mine && conflicting !== null) client.send(conflicting);
  conflicting = null;
  if (selected !== null) list.focus(selected);
}

function playOrPause() {
  const line = selected === null ? undefined : client.lines.get(selected);
  if (line === undefined || line.start === null || media.hidden) return;
  if (!media.paused) {
    media.pause();
    return;
  }
  media.currentTime = line.start;
  stopAt = line.end;
  media.play().catch(() => {});
}

function follow() {
  strip.movePlayhead(media.currentTime);
  if (stopAt !== null && media.currentTime >= stopAt) {
    media.pause();
    stopAt = null;
  }
  if (!media.paused) requestAnimationFrame(follow);
}

/**
 * Move a boundary of the selected line.
 * @param {"start" | "end"} side
 * @param {number} seconds
 */
function setBoundary(side, seconds) {
  strip.set(side, seconds);
  strip.commit();
}

/** @type {Record<string, () => void>} */
const COMMANDS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  " ": playOrPause,
  Enter: editWords,
  m: merge,
  x: exclude,
  s: () => editor.speaker.select(),
  "[": () => setBoundary("start", media.currentTime),
  "]": () => setBoundary("end", media.currentTime),
};

/**
 * Keys work in the list and on the editor's buttons, not where text is typed.
 * @param {KeyboardEvent} event
 */
function handleKey(event) {
  const { target, key } = event;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return;
  if (event.ctrlKey || event.metaKey) return;
  const line = selected === null ? undefined : client.lines.get(selected);
  if (event.altKey) {
    if (line === undefined || (key !== "ArrowLeft" && key !== "ArrowRight")) return;
    /** @type {"start" | "end"} */
    const side = event.shiftKey ? "end" : "start";
    const time = line[side];
    if (time !== null) setBoundary(side, time + (key === "ArrowLeft" ? -NUDGE : NUDGE));
    event.preventDefault();
    return;
  }
  const isButton = target instanceof HTMLButtonElement && !target.classList.contains("time");
  if (isButton && (key === "Enter" || key === " ")) return;
  const label = /^[1-9]$/.test(key) ? editor.buttons[Number(key) - 1] : undefined;
  if (label !== undefined) label.click();
  else if (key in COMMANDS) COMMANDS[key]();
  else return;
  event.preventDefault();
}

/** @param {KeyboardEvent} event */
function handleUndoKey(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const { target } = event;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return;
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  undoOrRedo(key === "y" || event.shiftKey ? "redo" : "undo");
}

/** @param {Event} event */
function handleClick(event) {
  const row = event.target instanceof Element ? event.target.closest("[data-id]") : null;
  if (!(row instanceof HTMLElement) || event.target instanceof HTMLTextAreaElement) return;
  if (event.target instanceof Element && event.target.closest(".word-buttons")) return;
  const id = row.dataset["id"] ?? "";
  const isWords = event.target instanceof Element && event.target.closest(".said") !== null;
  if (isWords && id === selected) list.edit(id);
  else goTo(id);
}

function applyFilter() {
  list.filter(FILTERS[filter.value]);
}

/** Load the lines, hidden or not, and stay where the rater was. */
async function load() {
  client.blind = blind.checked;
  try {
    const answer = await client.load();
    complain("");
    showAnalysis(answer);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    byId("saved").textContent = "";
    complain(error.message);
  }
}

/** @param {Answer} answer */
function showAnalysis(answer) {
  byId("recording").textContent = answer.recording;
  document.title = `Correct ${answer.recording}`;
  list.labels = new Map(answer.labels.map((label) => [label.name, label]));
  list.update(new Set(client.order), true);
  editor.createLabels(answer.labels, chooseLabel);
  strip.limit = answer.duration ?? Infinity;
  media.hidden = !answer.media;
  byId("no-media").hidden = answer.media;
  byId("no-media").textContent = `${answer.recording} is not beside the analysis.`;
  if (answer.media && media.getAttribute("src") === null) media.src = "recording";
  applyFilter();
  const id = selected !== null && client.lines.has(selected) ? selected : client.order[0];
  if (id !== undefined) select(id);
}

function askName() {
  typedById("name", HTMLInputElement).value = client.rater;
  typedById("who", HTMLDialogElement).showModal();
}

/** @param {string} name */
function setRater(name) {
  client.rater = name;
  localStorage.setItem(RATER, name);
  byId("rater").textContent = name;
  byId("rater").title = "Another name";
  byId("rater").hidden = false;
}

function listen() {
  for (const id of ["lines", "editor"]) byId(id).addEventListener("keydown", handleKey);
  document.addEventListener("keydown", handleUndoKey);
  byId("lines").addEventListener("click", handleClick);
  /** @type {[string, () => void][]} */
  const buttons = [
    ["undo", () => undoOrRedo("undo")],
    ["redo", () => undoOrRedo("redo")],
    ["play", playOrPause],
    ["edit", editWords],
    ["merge", merge],
    ["exclude", exclude],
    ["speaker-everywhere", () => changeSpeaker(true)],
    ["conflict-mine", () => resolveConflict(true)],
    ["conflict-theirs", () => resolveConflict(false)],
    ["rater", askName],
  ];
  for (const [id, task] of buttons) byId(id).addEventListener("click", task);
  byId("speaker-form").addEventListener("submit", (event) => {
    event.preventDefault();
    changeSpeaker(false);
  });
  typedById("who", HTMLDialogElement).addEventListener("close", () => {
    const name = typedById("name", HTMLInputElement).value.trim();
    if (name === "") askName();
    else setRater(name);
    if (name !== "") load();
  });
  blind.addEventListener("change", load);
  filter.addEventListener("change", applyFilter);
  for (const type of ["play", "seeked", "timeupdate"]) media.addEventListener(type, follow);
  for (const type of ["play", "pause"]) {
    media.addEventListener(type, () => {
      byId("play").textContent = media.paused ? "Play" : "Pause";
    });
  }
  media.addEventListener("loadedmetadata", () => {
    media.classList.toggle("sound", media.videoWidth === 0);
  });
  addEventListener("beforeunload", (event) => {
    if (client.isSaving) event.preventDefault();
  });
}

function fill() {
  const keys = KEYS.flatMap(([key, text]) => [
    createElement("dt", null, createElement("kbd", null, key)),
    createElement("dd", null, text),
  ]);
  byId("keys").append(...keys);
  const files = FILES.map(([name, text]) => {
    const link = createElement("a", { href: `corrected/${name}`, download: "" }, text);
    return createElement("li", null, link);
  });
  byId("formats").append(...files);
  blind.checked = new URLSearchParams(location.search).has("blind");
  advance.checked = blind.checked;
}

fill();
listen();
const rater = localStorage.getItem(RATER);
if (rater === null) {
  askName();
} else {
  setRater(rater);
  await load();
}
