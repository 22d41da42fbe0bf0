/* One job at a time: a form, its progress, its results. The job's id stands behind the #. */

const STAGES = {
  speech: "Finding speech",
  speakers: "Telling voices apart",
  words: "Transcribing",
  audio: "Listening to voices",
  video: "Looking at faces",
  emotions: "Telling emotions",
};
const EVERY = 1000; // milliseconds between two questions
const about = await ask("v1/about");
let watched = null;

function show(...ids) {
  for (const id of ["login", "upload", "job"]) byId(id).hidden = !ids.includes(id);
}

function complain(error) {
  byId("trouble").textContent = error ? error.message : "";
  byId("trouble").hidden = !error;
}

/** Do something of the user's; what goes wrong is said, and a missing key is asked for. */
async function attempt(task) {
  complain(null);
  try {
    await task();
    return true;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.status === 401) {
      show("login");
      byId("key").focus();
    }
    if (error.status !== 401 || byId("key").value) complain(error);
    return false;
  }
}

function say(text, share) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

function begin(name) {
  show("job");
  byId("name").textContent = name;
  byId("name").focus();
  byId("progress").hidden = false;
  for (const id of ["open", "downloads", "another", "delete", "reason"]) byId(id).hidden = true;
  byId("expiry").textContent = "";
}

function upload() {
  const recording = byId("recording").files[0];
  const subtitles = byId("subtitles").files[0];
  if (recording.size > about.largest_upload) {
    complain(new Trouble(`The file is larger than ${size(about.largest_upload)}; cut it.`));
    return;
  }
  const form = new FormData();
  form.append("recording", recording);
  if (subtitles) form.append("subtitles", subtitles);
  begin(recording.name);
  attempt(async () => {
    try {
      const progress = (done, total) =>
        say(done < total ? `Uploading: ${percent(done / total)}` : "Uploaded", done / total);
      start(await send("v1/jobs", form, progress));
    } catch (error) {
      show("upload");
      throw error;
    }
  });
}

const example = () => attempt(async () => start(await ask("v1/jobs/example", { method: "POST" })));

function start(job) {
  location.hash = job.id;
}

/** Follow the job behind the #, or offer the form. */
function route() {
  const id = location.hash.slice(1);
  watched = id;
  complain(null);
  if (about.key) show("login");
  else if (id) follow(id);
  else {
    show("upload");
    byId("upload").reset();
  }
}

/** Follow a job to its end; a service that is away may come back, and goes on with it. */
async function follow(id) {
  const done = await attempt(async () => {
    let known = false;
    while (watched === id) {
      try {
        const job = await ask(`v1/jobs/${encodeURIComponent(id)}`);
        if (watched !== id) return;
        if (!known) begin(job.name);
        known = true;
        complain(null);
        if (tell(job)) return;
      } catch (error) {
        if (watched !== id) return;
        if (!known || !(error instanceof Trouble) || !error.passes) throw error;
        complain(error);
      }
      await new Promise((later) => setTimeout(later, EVERY));
    }
  });
  if (!done && byId("login").hidden) show("upload");
}

/** Say how a job is; whether it is over. */
function tell(job) {
  if (job.state === "done") results(job);
  else if (job.state === "failed") {
    say("It failed.", 0);
    byId("reason").textContent = job.reason;
    byId("reason").hidden = false;
  } else if (job.state === "queued") {
    say(job.ahead ? `Waiting: ${job.ahead} before it` : "Waiting", null);
  } else {
    const count = job.total ? `: ${job.done} of ${job.total}` : "";
    const share = job.total ? job.done / job.total : null;
    say(`${STAGES[job.stage] ?? "Beginning"}${count}`, share);
  }
  const over = ["done", "failed"].includes(job.state);
  byId("delete").hidden = false;
  byId("another").hidden = !over;
  byId("progress").hidden = over;
  if (over) {
    const what = job.state === "done" ? "Recording and results are" : "The recording is";
    byId("expiry").textContent =
      `${what} deleted in ${minutes(job.expires)}, or when you say so.`;
  }
  return over;
}

function results(job) {
  say("Done.", 1);
  const link = byId("open").firstElementChild;
  link.href = job.files.html;
  byId("open").hidden = false;
  const downloads = about.formats.filter(({ name }) => name !== "html");
  const items = downloads.map(({ name, description }) =>
    element("li", null, element("a", { href: job.files[name], download: "" }, description)),
  );
  byId("downloads").querySelector("ul").replaceChildren(...items);
  byId("downloads").hidden = false;
  link.focus();
}

function remove() {
  attempt(async () => {
    const id = location.hash.slice(1);
    watched = null;
    await ask(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
    location.hash = "";
  });
}

function login() {
  attempt(async () => {
    const body = JSON.stringify({ key: byId("key").value });
    await ask("session", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    location.reload();
  });
}

const size = (bytes) =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MB` : `${+(bytes / 2 ** 30).toFixed(1)} GB`;

const minutes = (seconds) =>
  Math.ceil(seconds / 60) === 1 ? "1 minute" : `${Math.ceil(seconds / 60)} minutes`;

/** Files may be dropped; subtitles find their field by their endings. */
function drop(event) {
  event.preventDefault();
  byId("drop").classList.remove("over");
  for (const file of event.dataTransfer.files) {
    const held = new DataTransfer();
    held.items.add(file);
    const field = /\.(srt|vtt|ass|ssa)$/i.test(file.name) ? "subtitles" : "recording";
    byId(field).files = held.files;
  }
}

function listen() {
  const submit = (id, task) =>
    byId(id).addEventListener("submit", (event) => {
      event.preventDefault();
      task();
    });
  submit("upload", upload);
  submit("login", login);
  byId("example").addEventListener("click", example);
  byId("delete").addEventListener("click", remove);
  byId("another").addEventListener("click", () => (location.hash = ""));
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

async function fill() {
  byId("limits").textContent =
    `Choose it or drop it here: up to ${size(about.largest_upload)} and ` +
    `${minutes(about.longest_recording)}. It is deleted ${minutes(about.keep)} after the analysis; ` +
    "nothing leaves this service.";
  byId("example").hidden = !about.example;
  byId("model").textContent = `Labelled by ${about.model}, mmerc ${about.version}.`;
}

fill();
listen();
route();
