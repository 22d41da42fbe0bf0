/* The WebSocket of a live session; resumes a lost connection without a gap. */

const PROTOCOL = 1;
const FIRST_DELAY = 500; // milliseconds before the first attempt to reconnect
const LONGEST_DELAY = 8000;
const MAX_BUFFERED = 100_000; // bytes in the buffer from which pictures are skipped

/**
 * A message of the service, as described in `/v1/live/asyncapi.json`.
 * @typedef {{type: string, sequence: number, [name: string]: any}} LiveMessage
 */

export class LiveClient {
  /** @type {WebSocket | null} */
  #socket = null;

  /** @type {{start: number, data: ArrayBuffer}[]} Sound not yet confirmed by the service. */
  #unconfirmed = [];

  /** @type {string | null} */
  #session = null;

  #sent = 0;
  #sequence = 0;
  #delay = FIRST_DELAY;
  #lostAt = 0;
  #patience = 60;
  #ready = false;
  #closed = false;
  #ending = false;

  /**
   * `onMessage` gets every message, `onConnection` whether there is a connection.
   * @param {Record<string, unknown>} start
   * @param {{onMessage: (message: LiveMessage) => void, onConnection: (connected: boolean) => void}}
   *   events
   */
  constructor(start, { onMessage, onConnection }) {
    this.start = start;
    this.onMessage = onMessage;
    this.onConnection = onConnection;
    this.#connect();
  }

  #connect() {
    const address = new URL("v1/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      const resume = { type: "resume", session: this.#session, after: this.#sequence };
      const first = this.#session === null ? { type: "start", ...this.start } : resume;
      socket.send(JSON.stringify({ version: PROTOCOL, ...first }));
    });
    socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.#reconnect());
  }

  /** @param {LiveMessage} message */
  #receive(message) {
    if (message.type === "started") this.#begin(message);
    else this.#sequence = message.sequence;
    if (message.type === "stats") this.#confirm(message["received"]);
    if (message.type === "error" && message["fatal"]) this.#closed = true; // `ended` may follow
    if (message.type === "ended") this.close();
    this.onMessage(message);
  }

  /** @param {LiveMessage} message */
  #begin(message) {
    this.#session = message["session"];
    this.#patience = message["limits"].longest_pause;
    this.#delay = FIRST_DELAY;
    this.#lostAt = 0;
    this.#confirm(message["received"]);
    this.#ready = true;
    for (const { data } of this.#unconfirmed) this.#socket?.send(data);
    if (this.#ending) this.#sendJson({ type: "end" });
    this.onConnection(true);
  }

  /**
   * Drop sound confirmed by the service; the rest starts at byte `received`.
   * @param {number} received
   */
  #confirm(received) {
    const rest = this.#unconfirmed.filter(({ start, data }) => start + data.byteLength > received);
    const [first] = rest;
    if (first !== undefined && first.start < received) {
      rest[0] = { start: received, data: first.data.slice(received - first.start) };
    }
    this.#unconfirmed = rest;
  }

  #reconnect() {
    this.#ready = false;
    if (this.#closed) return;
    this.onConnection(false);
    this.#lostAt ||= performance.now();
    if (performance.now() - this.#lostAt > 1000 * this.#patience) {
      const message = "The service does not answer; check whether it is running.";
      this.close();
      this.onMessage({ type: "error", sequence: this.#sequence, code: "lost", message, fatal: true });
      return;
    }
    setTimeout(() => {
      if (!this.#closed) this.#connect();
    }, this.#delay);
    this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
  }

  /** @param {ArrayBuffer} data */
  sendSound(data) {
    if (this.#closed || this.#ending) return;
    this.#unconfirmed.push({ start: this.#sent, data });
    this.#sent += data.byteLength;
    if (this.#ready) this.#socket?.send(data);
  }

  /** Whether the buffer has room for a picture. */
  get hasRoom() {
    return this.#ready && (this.#socket?.bufferedAmount ?? 0) < MAX_BUFFERED;
  }

  /**
   * @param {number} time
   * @param {ArrayBuffer} jpeg
   */
  sendPicture(time, jpeg) {
    if (!this.hasRoom || this.#ending) return;
    this.#sendJson({ type: "picture", time });
    this.#socket?.send(jpeg);
  }

  /** End the sound; the service reports the rest and ends the session. */
  end() {
    this.#ending = true;
    if (this.#ready) this.#sendJson({ type: "end" });
  }

  /** @param {Record<string, unknown>} message */
  #sendJson(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    this.#socket?.close();
  }
}
