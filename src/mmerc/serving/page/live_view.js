/* The view of a live session: devices, current words, growing timeline, and results. */

import { shortestPrefixes } from "../../inference/page/analysis.js";
import { createDetails } from "../../inference/page/details.js";
import { byId } from "../../inference/page/elements.js";
import { clock, count, percent } from "../../inference/page/format.js";
import { Timeline } from "../../inference/page/timeline.js";
import { UtteranceTable } from "../../inference/page/utterances.js";
import { createDownloads } from "./job_view.js";
import { LiveAnalysis } from "./live_analysis.js";
import { LiveClient } from "./live_client.js";
import { Devices } from "./live_devices.js";
import { liveAddress, minutes } from "./service.js";

/** @import { LiveMessage } from "./live_client.js" */
/** @import { About } from "./service.js" */

const TICK = 500; // milliseconds between two moves of the playhead
const BEHIND = 5; // seconds of queued sound from which a remark is shown

export class LiveView {
  /** @type {LiveAnalysis | null} */
  #analysis = null;

  /** @type {Timeline | null} */
  #timeline = null;

  /** @type {UtteranceTable | null} */
  #table = null;

  #selected = -1;
  #follows = true; // whether to select the newest utterance
  #session = "";
  #grace = 0;
  #over = false;

  /**
   * `onKept` is called with the id of the job that stores the session.
   * @param {About} about
   * @param {MediaStream} stream
   * @param {{keep: boolean, onKept: (job: string) => void}} settings
   */
  constructor(about, stream, { keep, onKept }) {
    this.about = about;
    this.onKept = onKept;
    this.#clear();
    const video = stream.getVideoTracks().length > 0;
    this.client = new LiveClient(
      { format: "webm_opus", video, keep },
      {
        onMessage: (message) => this.#show(message),
        onConnection: (connected) => this.#say(connected ? "Listening" : "Connecting again"),
      },
    );
    this.devices = new Devices(stream, {
      onSound: (data) => this.client.sendSound(data),
      wantsPicture: () => this.client.hasRoom,
      onPicture: (time, jpeg) => this.client.sendPicture(time, jpeg),
      onLost: () => this.stop(),
    });
    this.timer = setInterval(() => this.#tick(), TICK);
  }

  #clear() {
    for (const id of ["growing", "live-results", "leave", "live-trouble"]) byId(id).hidden = true;
    for (const id of ["hearing", "live-expiry", "live-trouble"]) byId(id).textContent = "";
    byId("stop").hidden = false;
    for (const id of ["rows", "lanes", "live-formats", "details"]) byId(id).replaceChildren();
    this.#say("Starting");
    byId("live-title").focus();
  }

  /** Whether the session is running, so that leaving the page would lose it. */
  get isRunning() {
    return !this.#over;
  }

  /** Stop listening; the service reports the rest. */
  async stop() {
    if (this.#over) return;
    byId("stop").hidden = true;
    this.#say("Finishing");
    await this.devices.stop();
    this.client.end();
  }

  /** Leave the view: release everything. */
  close() {
    this.#over = true;
    clearInterval(this.timer);
    this.client.close();
    this.devices.stop();
  }

  /** @param {string} text */
  #say(text) {
    if (byId("live-status").textContent !== text) byId("live-status").textContent = text;
  }

  /** @param {LiveMessage} message */
  #show(message) {
    if (message.type === "started") this.#start(message);
    else if (message.type === "speech_started") this.#say("Somebody is speaking");
    else if (message.type === "words") this.#showWords(message);
    else if (message.type === "utterance") this.#put(message);
    else if (message.type === "correction") this.#correct(message);
    else if (message.type === "stats") this.#showStats(message);
    else if (message.type === "error") this.#complain(message);
    else if (message.type === "ended") this.#end(message);
  }

  /** @param {LiveMessage} message */
  #start(message) {
    this.#session = message["session"];
    this.#grace = message["limits"].grace;
    this.#analysis ??= new LiveAnalysis(message["model"], message["labels"]);
    byId("model").textContent = `Labelled by ${message["model"]}, mmerc ${this.about.version}.`;
  }

  /** @param {LiveMessage} message */
  #showWords(message) {
    byId("hearing").textContent = message["final"] ? "" : message["text"];
  }

  /** @param {any} utterance */
  #put(utterance) {
    if (this.#analysis === null) return;
    const position = this.#analysis.put(utterance);
    this.#draw(position);
    const share = percent(utterance.probabilities[utterance.emotion]);
    this.#say(`${utterance.speaker}: ${utterance.emotion}, ${share}`);
  }

  /** @param {LiveMessage} message */
  #correct(message) {
    if (message["utterance"] !== null) {
      this.#put(message["utterance"]);
      return;
    }
    this.#analysis?.withdraw(message["index"]);
    this.#table?.draw();
    this.#selected = -1;
    this.#draw(null);
  }

  /**
   * Draw the timeline, and the table row at a changed position.
   * @param {number | null} position
   */
  #draw(position) {
    const analysis = this.#analysis;
    if (analysis === null) return;
    byId("growing").hidden = analysis.utterances.length === 0;
    if (this.#timeline === null || this.#table === null) {
      const codes = shortestPrefixes(analysis.labels.map(({ name }) => name));
      this.#timeline = new Timeline(analysis, codes);
      this.#table = new UtteranceTable(analysis);
    } else {
      this.#drawTimeline();
      if (position !== null) this.#table.drawRow(position);
    }
    if (analysis.utterances.length === 0) return;
    const last = analysis.utterances.length - 1;
    this.select(this.#follows || this.#selected < 0 ? last : this.#selected);
  }

  /** Redraw the bars, keeping selection and focus. */
  #drawTimeline() {
    const focused = byId("lanes").contains(document.activeElement);
    this.#timeline?.draw();
    if (this.#selected < 0) return;
    this.#timeline?.select(this.#selected);
    if (focused) this.#timeline?.focus(this.#selected);
  }

  /**
   * Arrow keys, Home and End select other utterances.
   * @param {KeyboardEvent} event
   */
  handleKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const last = (this.#analysis?.utterances.length ?? 0) - 1;
    const { key } = event;
    const next = Math.min(this.#selected + 1, last);
    const previous = Math.max(this.#selected - 1, 0);
    /** @type {Record<string, number>} */
    const targets = {
      ArrowRight: next,
      ArrowDown: next,
      ArrowLeft: previous,
      ArrowUp: previous,
      Home: 0,
      End: last,
    };
    if (!(key in targets)) return;
    event.preventDefault();
    this.select(targets[key]);
    const inTable = event.target instanceof Element && event.target.closest("#rows") !== null;
    (inTable ? this.#table : this.#timeline)?.focus(targets[key]);
  }

  /**
   * Show an utterance's probabilities and effects.
   * @param {number} position
   */
  select(position) {
    const analysis = this.#analysis;
    if (analysis === null) return;
    this.#selected = position;
    this.#follows = position === analysis.utterances.length - 1;
    this.#timeline?.select(position);
    this.#table?.select(position);
    byId("which").textContent = `Utterance ${position + 1} of ${analysis.utterances.length}`;
    byId("details").replaceChildren(...createDetails(analysis, analysis.utterances[position]));
  }

  /** @param {LiveMessage} message */
  #showStats(message) {
    const behind = Math.round(message["behind"]);
    const slow = behind > BEHIND && `The service is ${count(behind, "second")} behind.`;
    this.#remark(slow || "");
  }

  /** @param {LiveMessage} message */
  #complain(message) {
    this.#remark(message["message"]);
    if (!message["fatal"]) return;
    this.#finish("The session has ended.");
  }

  /** @param {string} text */
  #remark(text) {
    byId("live-trouble").textContent = text;
    byId("live-trouble").hidden = text === "";
  }

  #tick() {
    const seconds = this.devices.seconds;
    byId("elapsed").textContent = clock(seconds);
    if (this.#analysis?.hear(seconds)) this.#drawTimeline();
    this.#timeline?.movePlayhead(seconds);
  }

  /** @param {LiveMessage} message */
  #end(message) {
    const reasons = /** @type {Record<string, string>} */ ({
      length: "The session has reached its maximum length.",
      silence: "The session has ended: nobody spoke for a long time.",
      stopped: "The service was stopped.",
      failed: "The session has failed.",
    });
    const heard = message["utterances"] > 0;
    const usual = heard ? "The session has ended." : "The session has ended; nobody was heard.";
    this.#finish(reasons[message["reason"]] ?? usual);
    if (message["job"]) this.onKept(message["job"]);
    else if (heard && Object.keys(message["files"]).length > 0) this.#offerResults();
  }

  #offerResults() {
    byId("live-page").setAttribute("href", liveAddress(this.#session, "html"));
    const items = createDownloads(this.about, (format) => liveAddress(this.#session, format));
    byId("live-formats").replaceChildren(...items);
    byId("live-expiry").textContent =
      `The service forgets these results in ${minutes(this.#grace)}; the sound was not kept.`;
    byId("live-results").hidden = false;
  }

  /** @param {string} text */
  #finish(text) {
    this.#over = true;
    clearInterval(this.timer);
    this.devices.stop();
    this.#say(text);
    byId("hearing").textContent = "";
    byId("stop").hidden = true;
    byId("leave").hidden = false;
  }
}
