/* The view of one job: its progress, then its results. */

import { byId, createElement, typedById } from "../../inference/page/elements.js";
import { jobAddress, minutes, resultAddress } from "./service.js";

/** @import { About, Job } from "./service.js" */

/** @type {Record<string, string>} */
const STAGES = {
  speech: "Detecting speech",
  speakers: "Distinguishing speakers",
  words: "Transcribing",
  audio: "Listening to voices",
  video: "Looking at faces",
  emotions: "Predicting emotions",
};

const progress = typedById("progress", HTMLProgressElement);

/**
 * Show a status and the progress from 0 to 1 (null: unknown).
 * @param {string} text
 * @param {number | null} share
 */
export function showStatus(text, share) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
  if (share === null) progress.removeAttribute("value");
  else progress.value = share;
}

/**
 * Show a new job.
 * @param {string} name
 */
export function showJob(name) {
  byId("name").textContent = name;
  byId("name").focus();
  progress.hidden = false;
  for (const id of ["open", "downloads", "another", "delete", "reason"]) byId(id).hidden = true;
  byId("expiry").textContent = "";
}

/**
 * Show the state of a job; return whether it has ended.
 * @param {Job} job
 * @param {About} about
 */
export function updateJob(job, about) {
  const complete = job.state === "done" || job.state === "partial";
  const over = complete || job.state === "failed";
  byId("reason").textContent = job.reasons.join(" ");
  byId("reason").hidden = job.reasons.length === 0;
  if (complete) showResults(job, about);
  else if (job.state === "failed") showStatus("The analysis failed.", 0);
  else if (job.state === "queued") {
    showStatus(job.ahead ? `Waiting: ${job.ahead} ahead` : "Waiting", null);
  } else {
    const stage = STAGES[job.stage ?? ""] ?? "Starting";
    if (job.total) showStatus(`${stage}: ${job.done} of ${job.total}`, job.done / job.total);
    else showStatus(stage, null);
  }
  byId("delete").hidden = false;
  byId("another").hidden = !over;
  progress.hidden = over;
  if (over) {
    const what = complete ? "The recording and its results are" : "The recording is";
    byId("expiry").textContent =
      `${what} deleted in ${minutes(job.expires ?? 0)}, or now if you choose.`;
  }
  return over;
}

/**
 * Create a link for every format except the page.
 * @param {About} about
 * @param {(format: string) => string} address
 */
export function createDownloads(about, address) {
  return about.formats
    .filter(({ name }) => name !== "html")
    .map(({ name, description }) => {
      const attributes = { href: address(name), download: "" };
      return createElement("li", null, createElement("a", attributes, description));
    });
}

/**
 * @param {Job} job
 * @param {About} about
 */
function showResults(job, about) {
  showStatus(job.state === "done" ? "Done." : "Partly done: something is missing.", 1);
  const link = typedById("timeline", HTMLAnchorElement);
  link.href = resultAddress(job, "html");
  typedById("correct", HTMLAnchorElement).href = `${jobAddress(job.id)}/correct`;
  byId("open").hidden = false;
  const items = createDownloads(about, (format) => resultAddress(job, format));
  byId("formats").replaceChildren(...items);
  byId("downloads").hidden = false;
  link.focus();
}
