/* One job at a time: form, progress, results. The job's id is the fragment of the URL. */

import { byId, typedById } from "../../inference/page/elements.js";
import { percent } from "../../inference/page/format.js";
import { showJob, showStatus, updateJob } from "./job_view.js";
import { askForDevices, DeviceError } from "./live_devices.js";
import { LiveView } from "./live_view.js";
import { request, RequestError, sendForm } from "./requests.js";
import { jobAddress, minutes, size } from "./service.js";

/** @import { About, Job } from "./service.js" */

const INTERVAL = 1000; // milliseconds between two polls of a job
/** @type {About} */
const about = await request("v1/about");
const setLevel = typedById("sets", HTMLSelectElement);
const keyInput = typedById("key", HTMLInputElement);
/** @type {string | null} */
let watched = null;
/** @type {LiveView | null} */
let live = null;

/** @param {"login" | "upload" | "job" | "live"} view */
function show(view) {
  for (const id of ["login", "upload", "job", "live"]) byId(id).hidden = id !== view;
}

/** @param {string} text */
function complain(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = text === "";
}

/**
 * Perform a user action; return whether it succeeded. Shows failures, and asks for a missing key.
 * @param {() => Promise<void>} task
 */
async function attempt(task) {
  complain("");
  try {
    await task();
    return true;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status === 401) {
      show("login");
      keyInput.focus();
    }
    if (error.status !== 401 || keyInput.value) complain(error.message);
    return false;
  }
}

function upload() {
  const recording = typedById("recording", HTMLInputElement).files?.[0];
  const subtitles = typedById("subtitles", HTMLInputElement).files?.[0];
  if (recording === undefined) return;
  if (recording.size > about.largest_upload) {
    complain(`The file is larger than ${size(about.largest_upload)}; cut it.`);
    return;
  }
  const form = new FormData();
  if (setLevel.value) form.append("sets", setLevel.value); // first, to be checked before the upload
  form.append("recording", recording);
  if (subtitles) form.append("subtitles", subtitles);
  show("job");
  showJob(recording.name);
  /**
   * @param {number} sent
   * @param {number} total
   */
  const onProgress = (sent, total) =>
    showStatus(sent < total ? `Uploading: ${percent(sent / total)}` : "Uploaded", sent / total);
  attempt(async () => {
    try {
      open(await sendForm("v1/jobs", form, onProgress));
    } catch (error) {
      show("upload");
      throw error;
    }
  });
}

function analyseExample() {
  const query = setLevel.value ? `?sets=${setLevel.value}` : "";
  attempt(async () => open(await request(`v1/jobs/example${query}`, { method: "POST" })));
}

/** Start a live session after the user has allowed the devices. */
async function beginLive() {
  complain("");
  try {
    const stream = await askForDevices(typedById("with-camera", HTMLInputElement).checked);
    show("live");
    const keep = typedById("keep", HTMLInputElement).checked;
    const onKept = (/** @type {string} */ job) => {
      location.hash = job;
    };
    live = new LiveView(about, stream, { keep, onKept });
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    complain(error.message);
  }
}

function leaveLive() {
  live?.close();
  live = null;
  fill();
}

/** @param {Job} job */
function open(job) {
  location.hash = job.id;
}

/** Follow the job in the URL, or show the form. */
function route() {
  const id = location.hash.slice(1);
  watched = id;
  complain("");
  leaveLive();
  if (about.key) show("login");
  else if (id) follow(id);
  else {
    show("upload");
    typedById("upload", HTMLFormElement).reset();
  }
}

/**
 * Follow a job to its end. An unavailable service may come back and continue.
 * @param {string} id
 */
async function follow(id) {
  const ended = await attempt(async () => {
    let exists = false;
    while (watched === id) {
      try {
        const job = await request(jobAddress(id));
        if (watched !== id) return;
        if (!exists) {
          show("job");
          showJob(job.name);
        }
        exists = true;
        complain("");
        if (updateJob(job, about)) return;
      } catch (error) {
        if (watched !== id) return;
        if (!exists || !(error instanceof RequestError) || !error.isTemporary) throw error;
        complain(error.message);
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  });
  if (!ended && byId("login").hidden) show("upload");
}

function deleteJob() {
  attempt(async () => {
    const id = location.hash.slice(1);
    watched = null;
    await request(jobAddress(id), { method: "DELETE" });
    location.hash = "";
  });
}

function login() {
  attempt(async () => {
    const body = JSON.stringify({ key: keyInput.value });
    const headers = { "Content-Type": "application/json" };
    await request("session", { method: "POST", body, headers });
    location.reload();
  });
}

/**
 * Accept dropped files; subtitles and recordings are distinguished by suffix.
 * @param {DragEvent} event
 */
function drop(event) {
  event.preventDefault();
  byId("drop").classList.remove("over");
  for (const file of event.dataTransfer?.files ?? []) {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    const field = /\.(srt|vtt|ass|ssa)$/i.test(file.name) ? "subtitles" : "recording";
    typedById(field, HTMLInputElement).files = transfer.files;
  }
}

/**
 * @param {string} id
 * @param {() => void} task
 */
function onSubmit(id, task) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    task();
  });
}

function listen() {
  onSubmit("upload", upload);
  onSubmit("login", login);
  byId("example").addEventListener("click", analyseExample);
  byId("begin").addEventListener("click", beginLive);
  byId("stop").addEventListener("click", () => live?.stop());
  byId("leave").addEventListener("click", route);
  for (const id of ["rows", "lanes"]) {
    byId(id).addEventListener("click", ({ target }) => {
      const part = target instanceof Element ? target.closest("[data-index]") : null;
      if (part instanceof HTMLElement) live?.select(Number(part.dataset["index"]));
    });
    byId(id).addEventListener("keydown", (event) => live?.handleKey(event));
  }
  addEventListener("beforeunload", (event) => {
    if (live?.isRunning) event.preventDefault();
  });
  addEventListener("pagehide", leaveLive);
  byId("delete").addEventListener("click", deleteJob);
  byId("another").addEventListener("click", () => {
    location.hash = "";
  });
  for (const type of ["dragenter", "dragover"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      byId("drop").classList.add("over");
    });
  }
  document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  document.addEventListener("drop", drop);
  addEventListener("hashchange", route);
}

function fill() {
  byId("limits").textContent =
    `Choose a file or drop it here: up to ${size(about.largest_upload)} and ` +
    `${minutes(about.longest_recording)}. It is deleted ${minutes(about.keep)} after the ` +
    "analysis; nothing leaves this service.";
  byId("example").hidden = !about.example;
  byId("set-choice").hidden = !about.sets;
  byId("speaking").hidden = !about.live;
  byId("keeping").textContent =
    "Nothing is written to disk unless you keep it; what you keep is deleted " +
    `${minutes(about.keep)} after the end.`;
  byId("model").textContent = `Labelled by ${about.model}, mmerc ${about.version}.`;
}

listen();
route();
