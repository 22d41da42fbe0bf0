/* The page: player, timeline, table and details show the selected utterance. */

import { isTimed, shortestPrefixes } from "./analysis.js";
import { createDetails } from "./details.js";
import { byId, createElement, typedById } from "./elements.js";
import { Filters } from "./filters.js";
import { clock, count } from "./format.js";
import { Player } from "./player.js";
import { createSummary } from "./speakers.js";
import { Timeline } from "./timeline.js";
import { UtteranceTable } from "./utterances.js";

/** @import { Analysis } from "./analysis.js" */

/** @type {Analysis} */
const analysis = JSON.parse(byId("data").textContent);
const { utterances } = analysis;
const codes = shortestPrefixes(analysis.labels.map((label) => label.name));
const timeline = new Timeline(analysis, codes);
const table = new UtteranceTable(analysis);
let visible = utterances.map(() => true);
let selected = 0;
const player = new Player(analysis, {
  onTime: (seconds) => timeline.movePlayhead(seconds),
  onUtterance: (index) => {
    if (visible[index]) select(index);
  },
});
new Filters(analysis, codes, (filtered) => {
  visible = filtered;
  timeline.filter(visible);
  table.filter(visible);
  if (visible.includes(true)) select(visible[selected] ? selected : visible.indexOf(true));
});

/** @param {number} index */
function select(index) {
  selected = index;
  timeline.select(index);
  table.select(index);
  player.select(index);
  byId("which").textContent = `Utterance ${index + 1} of ${utterances.length}`;
  byId("details").replaceChildren(...createDetails(analysis, utterances[index]));
}

/**
 * Select an utterance and move playback to its start.
 * @param {number} index
 */
function goTo(index) {
  select(index);
  const { start } = utterances[index];
  if (start !== null) player.seek(start);
}

function playOrPause() {
  if (!player.media.paused) {
    player.media.pause();
    return;
  }
  select(selected);
  player.playUtterance(selected);
}

/**
 * Arrow keys, Home and End select a visible utterance in the focused view.
 * @param {KeyboardEvent} event
 * @param {Timeline | UtteranceTable} view
 * @param {(index: number) => boolean} contains
 */
function handleKey(event, view, contains) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const reachable = utterances.map((_, index) => index).filter((i) => visible[i] && contains(i));
  const next = reachable.find((index) => index > selected);
  const previous = reachable.findLast((index) => index < selected);
  /** @type {Record<string, number | undefined>} */
  const targets = {
    ArrowRight: next,
    ArrowDown: next,
    ArrowLeft: previous,
    ArrowUp: previous,
    Home: reachable[0],
    End: reachable.at(-1),
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  const target = targets[event.key];
  if (target === undefined) return;
  goTo(target);
  view.focus(target);
}

/**
 * Find the utterance whose bar or row was clicked.
 * @param {Event} event
 */
function clickedIndex(event) {
  const part = event.target instanceof Element ? event.target.closest("[data-index]") : null;
  return part instanceof HTMLElement ? Number(part.dataset["index"]) : null;
}

function fill() {
  const untimed = utterances.filter((utterance) => !isTimed(utterance)).length;
  const facts = [
    clock(analysis.duration),
    count(utterances.length, "utterance"),
    count(analysis.speakers.length, "speaker"),
    ...(untimed ? [`${untimed} without times, only in the list`] : []),
    `labelled by ${analysis.model}`,
  ];
  byId("recording").textContent = analysis.recording;
  byId("facts").textContent = facts.join(" · ");
  const remarks = analysis.remarks.map((text) => createElement("li", { dir: "auto" }, text));
  byId("remarks").append(...remarks);
  byId("remarks").hidden = remarks.length === 0;
  byId("summary").append(...createSummary(analysis, codes));
  byId("timeline").hidden = untimed === utterances.length;
  byId("side").hidden = utterances.length === 0;
}

function listen() {
  byId("play").addEventListener("click", playOrPause);
  for (const [id, factor] of /** @type {const} */ ([["in", 2], ["out", 0.5]])) {
    byId(id).addEventListener("click", () => {
      typedById("zoom", HTMLOutputElement).textContent = `${timeline.zoomBy(factor)}×`;
    });
  }
  timeline.lanes.addEventListener("click", (event) => {
    const index = clickedIndex(event);
    if (index !== null) goTo(index);
    else player.seek(timeline.secondsAt(event.clientX));
  });
  timeline.lanes.addEventListener("keydown", (event) => {
    handleKey(event, timeline, (index) => isTimed(utterances[index]));
  });
  byId("rows").addEventListener("click", (event) => {
    const index = clickedIndex(event);
    if (index === null) return;
    goTo(index);
    table.focus(index);
  });
  byId("rows").addEventListener("keydown", (event) => handleKey(event, table, () => true));
}

fill();
listen();
if (utterances.length) select(0);
