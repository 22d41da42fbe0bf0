/* What belongs together: player, timeline, list and details show one chosen utterance. */

const data = JSON.parse(byId("data").textContent);
const said = data.utterances;
const media = byId("media");
const codes = beginnings(data.labels.map((label) => label.name));
const timeline = new Timeline(data, codes);
const list = new Utterances(data);
const timed = said.map((_, index) => index).filter((index) => said[index].layer !== null);
timed.sort((a, b) => said[a].start - said[b].start);
const longest = timed.reduce((most, index) => Math.max(most, lasting(said[index])), 0);
const shown = said.map(() => true);
let chosen = null;
let current = null;
let stopAt = null;
let sought = false; // the next "seeked" is our own: what is chosen stays, wherever that led

/** The utterance that was begun last of those that are spoken at a time, or null. */
function spokenAt(seconds) {
  const time = seconds + 0.01; // players round
  let low = 0;
  let high = timed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (said[timed[middle]].start <= time) low = middle + 1;
    else high = middle;
  }
  for (let place = low - 1; place >= 0; place -= 1) {
    const item = said[timed[place]];
    if (item.end > time) return timed[place];
    if (item.start + longest <= time) return null;
  }
  return null;
}

function choose(index) {
  chosen = index;
  timeline.choose(index);
  list.choose(index);
  byId("which").textContent = `Utterance ${index + 1} of ${said.length}`;
  // Some subtitles go on when the recording is over.
  byId("play").disabled = said[index].start === null || said[index].start >= media.duration;
  byId("details").replaceChildren(...detailsOf(data, said[index]));
}

function seek(seconds) {
  stopAt = null;
  sought = true;
  media.currentTime = seconds;
  current = spokenAt(seconds);
  timeline.show(seconds);
}

function go(index) {
  choose(index);
  if (said[index].start !== null) seek(said[index].start);
}

/** Choose what is being spoken, unless it is filtered out. */
function follow() {
  timeline.show(media.currentTime);
  if (stopAt !== null && media.currentTime >= stopAt) {
    media.pause();
    stopAt = null;
    return;
  }
  const now = spokenAt(media.currentTime);
  if (now === current || sought || stopAt !== null) return;
  current = now;
  if (now !== null && shown[now]) choose(now);
}

function arrive() {
  if (sought) current = spokenAt(media.currentTime);
  sought = false;
  follow();
}

function frame() {
  follow();
  if (!media.paused) requestAnimationFrame(frame);
}

function playOrPause() {
  if (!media.paused) {
    media.pause();
    return;
  }
  go(chosen);
  stopAt = said[chosen].end;
  media.play().catch(() => {}); // the error event tells why
}

function trouble() {
  media.hidden = true;
  byId("play").hidden = true;
  byId("trouble").hidden = false;
  byId("trouble").textContent =
    `${data.recording} cannot be played. Put it into the folder of this page; ` +
    "if it is there, this browser does not know its format.";
}

function filter() {
  const labels = [...byId("legend").children].map((chip) => chip.ariaPressed === "true");
  const anyLabel = !labels.includes(true);
  const speaker = byId("speaker").value;
  const words = plain(byId("search").value.trim());
  said.forEach((item, index) => {
    shown[index] =
      (anyLabel || labels[item.label]) &&
      (speaker === "" || item.speaker === Number(speaker)) &&
      plain(item.text).includes(words);
  });
  timeline.filter(shown);
  list.filter(shown);
  const count = shown.filter((is) => is).length;
  byId("shown").textContent = count === said.length ? "" : `${count} of ${said.length}`;
  byId("reset").hidden = anyLabel && speaker === "" && words === "";
  if (count) choose(shown[chosen] ? chosen : shown.indexOf(true));
}

/** Without accents and capitals, as one types when one searches. */
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function reset() {
  for (const chip of byId("legend").children) chip.ariaPressed = "false";
  byId("speaker").value = "";
  byId("search").value = "";
  filter();
  byId("search").focus();
}

/** Arrow keys, Home and End: the next utterance that is shown, in the view that has the focus. */
function step(event, view, there) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const open = said.map((_, index) => index).filter((index) => shown[index] && there(index));
  const targets = {
    ArrowRight: open.find((index) => index > chosen),
    ArrowDown: open.find((index) => index > chosen),
    ArrowLeft: open.findLast((index) => index < chosen),
    ArrowUp: open.findLast((index) => index < chosen),
    Home: open[0],
    End: open.at(-1),
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  if (targets[event.key] === undefined) return;
  go(targets[event.key]);
  view.focus(targets[event.key]);
}

function legend() {
  return data.labels.map((label, place) => {
    const count = said.filter((item) => item.label === place).length;
    const swatch = element("span", { class: "swatch", "aria-hidden": "true" }, codes[place]);
    const number = element("span", { class: "quiet" }, String(count));
    const chip = element("button", { type: "button", "aria-pressed": "false" });
    chip.append(paint(swatch, label), label.name, number);
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      filter();
    });
    return chip;
  });
}

function facts() {
  const missing = said.length - timed.length;
  return [
    clock(data.duration),
    said.length === 1 ? "1 utterance" : `${said.length} utterances`,
    data.speakers.length === 1 ? "1 speaker" : `${data.speakers.length} speakers`,
    missing ? `${missing} without times, in the list alone` : null,
    `labelled by ${data.model}`,
  ].filter((fact) => fact);
}

function indexOf(event) {
  const found = event.target.closest("[data-index]");
  return found ? Number(found.dataset.index) : null;
}

function fill() {
  byId("recording").textContent = data.recording;
  byId("facts").textContent = facts().join(" · ");
  byId("remarks").append(...data.remarks.map((remark) => element("li", { dir: "auto" }, remark)));
  byId("remarks").hidden = data.remarks.length === 0;
  byId("legend").append(...legend());
  const names = data.speakers.map((name, value) => element("option", { value }, name));
  byId("speaker").append(...names);
  byId("summary").append(...summaryOf(data, codes));
  document.querySelector(".timeline").hidden = timed.length === 0;
  document.querySelector(".side").hidden = said.length === 0;
}

function listen() {
  media.addEventListener("error", trouble);
  media.addEventListener("loadedmetadata", () => {
    media.classList.toggle("sound", media.videoWidth === 0);
  });
  media.addEventListener("play", () => requestAnimationFrame(frame));
  media.addEventListener("timeupdate", follow);
  media.addEventListener("seeked", arrive);
  for (const name of ["play", "pause"]) {
    media.addEventListener(name, () => {
      byId("play").textContent = media.paused ? "Play" : "Pause";
    });
  }
  byId("play").addEventListener("click", playOrPause);
  byId("in").addEventListener("click", () => zoom(2));
  byId("out").addEventListener("click", () => zoom(0.5));
  byId("speaker").addEventListener("change", filter);
  byId("search").addEventListener("input", filter);
  byId("reset").addEventListener("click", reset);
  timeline.lanes.addEventListener("click", (event) => {
    const index = indexOf(event);
    if (index !== null) go(index);
    else seek(timeline.secondsAt(event.clientX));
  });
  byId("rows").addEventListener("click", (event) => {
    go(indexOf(event));
    list.focus(chosen);
  });
  timeline.lanes.addEventListener("keydown", (event) => {
    step(event, timeline, (index) => said[index].layer !== null);
  });
  byId("rows").addEventListener("keydown", (event) => step(event, list, () => true));
}

function zoom(factor) {
  byId("zoom").textContent = `${timeline.zoomBy(factor)}×`;
}

fill();
listen();
media.src = data.media;
if (said.length) choose(0);
