/* The correction page: list, editor and player show the selected line; all actions have keys. */

import { byId, createElement, typedById } from "../../inference/page/elements.js";
import { CorrectionDesk } from "./correction_desk.js";
import { listenToKeys } from "./correction_keys.js";
import { isCorrected } from "./corrections.js";
import { isDoubtful } from "./line_list.js";
import { RequestError } from "./requests.js";

/** @import { Line } from "./corrections.js" */

const RATER = "mmerc-rater";
/** @type {[string, string][]} */
const RESULTS = [
  ["csv", "Table (CSV)"],
  ["jsonl", "JSON Lines"],
  ["eaf", "ELAN"],
  ["TextGrid", "Praat"],
  ["vtt", "Captions"],
  ["html", "Page"],
];
/** @type {[string, string][]} */
const LISTS = [
  ["corrections.csv", "Who corrected what"],
  ["labels.csv", "Labels, for mmerc agree"],
];
/** @type {[string, string][]} Lists visible to a blind rater. */
const OWN_LISTS = [
  ["corrections.csv", "What you did"],
  ["labels.csv", "Your labels, for mmerc agree"],
];
/** @type {Record<string, (line: Line) => boolean>} */
const FILTERS = {
  all: () => true,
  unlabelled: (line) => line.label === null && !line.excluded,
  doubtful: isDoubtful,
  changed: isCorrected,
  excluded: (line) => line.excluded,
};
const blind = typedById("blind", HTMLInputElement);
const filter = typedById("which-lines", HTMLSelectElement);
const desk = new CorrectionDesk();

/** Load the lines, including hidden ones. */
async function load() {
  desk.client.blind = blind.checked;
  try {
    desk.open(await desk.client.load());
    listFiles();
    applyFilter();
    desk.selectSome();
    if (document.activeElement === document.body) desk.focusSelected(); // so that keys work at once
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    byId("saved").textContent = "";
    desk.complain(error.message);
  }
}

function applyFilter() {
  desk.list.filter(FILTERS[filter.value]);
}

/** @param {Event} event */
function handleClick(event) {
  const { target } = event;
  if (!(target instanceof Element) || target instanceof HTMLTextAreaElement) return;
  const row = target.closest("[data-id]");
  if (!(row instanceof HTMLElement) || target.closest(".word-buttons")) return;
  const id = row.dataset["id"] ?? "";
  if (target.closest(".said") !== null && id === desk.selected) desk.editWords();
  else desk.goTo(id);
}

function askName() {
  typedById("name", HTMLInputElement).value = desk.client.rater;
  typedById("who", HTMLDialogElement).showModal();
}

/** @param {string} name */
function setRater(name) {
  desk.client.rater = name;
  localStorage.setItem(RATER, name);
  byId("rater").textContent = name;
  byId("rater").title = "Another name";
  byId("rater").hidden = false;
}

function listen() {
  listenToKeys(desk);
  byId("lines").addEventListener("click", handleClick);
  /** @type {[string, () => void][]} */
  const buttons = [
    ["undo", () => desk.undoOrRedo("undo")],
    ["redo", () => desk.undoOrRedo("redo")],
    ["play", () => desk.playOrPause()],
    ["edit", () => desk.editWords()],
    ["merge", () => desk.merge()],
    ["exclude", () => desk.exclude()],
    ["speaker-everywhere", () => desk.changeSpeaker(true)],
    ["rater", askName],
  ];
  for (const [id, task] of buttons) byId(id).addEventListener("click", task);
  byId("speaker-form").addEventListener("submit", (event) => {
    event.preventDefault();
    desk.changeSpeaker(false);
  });
  typedById("who", HTMLDialogElement).addEventListener("close", () => {
    const name = typedById("name", HTMLInputElement).value.trim();
    if (name === "") askName();
    else setRater(name);
    if (name !== "") load();
  });
  blind.addEventListener("change", load);
  filter.addEventListener("change", applyFilter);
  addEventListener("beforeunload", (event) => {
    if (desk.client.isSaving) event.preventDefault();
  });
}

function listFiles() {
  const { blind: isBlind, rater: name } = desk.client;
  const query = isBlind ? `?${new URLSearchParams({ rater: name, blind: "true" })}` : "";
  const files = isBlind ? OWN_LISTS : [...RESULTS, ...LISTS];
  const links = files.map(([file, text]) =>
    createElement("a", { href: `corrected/${file}${query}`, download: "" }, text),
  );
  byId("formats").replaceChildren(...links.map((link) => createElement("li", {}, link)));
}

listen();
blind.checked = new URLSearchParams(location.search).has("blind");
desk.advance.checked = blind.checked;
const rater = localStorage.getItem(RATER);
if (rater === null) {
  askName();
} else {
  setRater(rater);
  await load();
}
