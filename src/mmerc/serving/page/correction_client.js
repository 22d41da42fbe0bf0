/* Sends corrections one after the other, and keeps a copy of the service's lines. */

import { request, RequestError } from "./requests.js";

/** @import { Answer, Correction, Edit, Line } from "./corrections.js" */

const RETRY = 2000; // milliseconds, like below
const POLL = 3000;

/** @typedef {{edit: Edit, key: string, id: string | null, patch: Partial<Line>}} Pending */

/**
 * @typedef {object} ClientEvents
 * @property {(changed: Set<string>, reordered: boolean) => void} onLines
 * @property {(text: string, trouble: boolean) => void} onStatus
 * @property {(edit: Edit, detail: string) => void} onConflict
 * @property {(detail: string) => void} onRefusal
 */

/** A random key; `crypto.randomUUID` would need HTTPS. */
const createKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4))).join("-");

export class CorrectionClient {
  /** @type {Map<string, Line>} Lines confirmed by the service. */
  #confirmed = new Map();

  /** @type {Pending[]} */
  #queue = [];

  #sending = false;

  /** @param {ClientEvents} events */
  constructor(events) {
    this.events = events;
    this.rater = "";
    this.blind = false;
    this.revision = 0;
    /** @type {Map<string, Line>} Lines including pending edits. */
    this.lines = new Map();
    /** @type {string[]} */
    this.order = [];
    /** @type {Correction[]} */
    this.corrections = [];
    setInterval(() => this.#poll(), POLL);
  }

  /** Whether there are edits that are not yet on disk. */
  get isSaving() {
    return this.#queue.length > 0;
  }

  /**
   * Load all lines, as visible to this rater.
   * @returns {Promise<Answer>}
   */
  async load() {
    const answer = await this.#get(null);
    this.#confirmed.clear();
    this.lines.clear();
    this.corrections = [];
    this.#take(answer);
    this.events.onStatus("Saved", false);
    return answer;
  }

  /**
   * Send a correction; `patch` is shown on the page until the service answers.
   * @param {Edit} edit
   * @param {Partial<Line>} [patch]
   */
  send(edit, patch = {}) {
    const id = typeof edit["id"] === "string" ? edit["id"] : null;
    this.#queue.push({ edit, key: createKey(), id, patch });
    this.events.onStatus("Saving", false);
    if (id !== null) {
      this.#patch(id);
      this.events.onLines(new Set([id]), false);
    }
    this.#drain();
  }

  async #drain() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue.length > 0) await this.#sendFirst();
    this.#sending = false;
    this.events.onStatus("Saved", false);
  }

  async #sendFirst() {
    const [{ edit, key, id }] = this.#queue;
    const { rater, blind, revision } = this;
    const body = JSON.stringify({ rater, revision, key, blind, edit });
    const headers = { "Content-Type": "application/json" };
    try {
      const answer = await request("corrections", { method: "POST", body, headers });
      this.#queue.shift();
      this.#take(answer);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.isTemporary) {
        this.events.onStatus(`Not saved yet, trying again. ${error.message}`, true);
        await new Promise((resolve) => setTimeout(resolve, RETRY));
        return;
      }
      this.#queue.shift();
      if (id !== null) this.#patch(id);
      if (id !== null) this.events.onLines(new Set([id]), false);
      if (error.status === 409) {
        await this.#poll(true);
        this.events.onConflict(edit, error.message);
      } else {
        this.events.onRefusal(error.message);
      }
    }
  }

  /** Update from the service. */
  async refresh() {
    await this.#poll(true);
  }

  /** Fetch other raters' edits, unless own edits are pending. */
  async #poll(always = false) {
    if (this.rater === "" || (!always && (this.#sending || document.hidden))) return;
    try {
      const answer = await this.#get(this.revision);
      if (always || !this.#sending) this.#take(answer);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
  }

  /**
   * @param {number | null} since
   * @returns {Promise<Answer>}
   */
  #get(since) {
    const { rater, blind } = this;
    const query = new URLSearchParams({ rater, blind: String(blind) });
    if (since !== null) query.set("since", String(since));
    return request(`corrections?${query}`);
  }

  /** @param {Answer} answer */
  #take(answer) {
    const changed = new Set(answer.lines.map((line) => line.id));
    for (const line of answer.lines) this.#confirmed.set(line.id, line);
    if (answer.order) {
      const remaining = new Set(answer.order);
      for (const id of this.#confirmed.keys()) if (!remaining.has(id)) changed.add(id);
      for (const id of changed) if (!remaining.has(id)) this.#confirmed.delete(id);
      this.order = answer.order;
    }
    const known = this.corrections.at(-1)?.number ?? 0;
    this.corrections.push(...answer.corrections.filter(({ number }) => number > known));
    this.revision = answer.revision;
    for (const id of changed) this.#patch(id);
    if (changed.size > 0 || answer.order) this.events.onLines(changed, answer.order !== null);
  }

  /**
   * Show a line with its pending edits.
   * @param {string} id
   */
  #patch(id) {
    const line = this.#confirmed.get(id);
    if (line === undefined) {
      this.lines.delete(id);
      return;
    }
    const own = this.#queue.filter((item) => item.id === id);
    const patches = own.map(({ patch }) => patch);
    this.lines.set(id, Object.assign({}, line, ...patches, { pending: own.length > 0 }));
  }
}
