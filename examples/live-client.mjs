/* Send a WAV file (16 kHz, mono, 16 bit) to `mmerc serve`, and print emotions as they come. */
import { readFile } from "node:fs/promises";

const [path, address = "ws://127.0.0.1:8000/v1/live"] = process.argv.slice(2);
const HEADER = 44; // bytes
const PIECE = 3200; // bytes: a tenth of a second, as from a microphone
const samples = (await readFile(path)).subarray(HEADER);
const socket = new WebSocket(address);
const send = (message) => socket.send(JSON.stringify(message));

socket.addEventListener("open", () => {
  send({ type: "start", version: 1, format: "pcm_s16le", sample_rate: 16000 });
  for (let at = 0; at < samples.length; at += PIECE) socket.send(samples.subarray(at, at + PIECE));
  send({ type: "end" });
});
socket.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "utterance") {
    console.log(`${event.start.toFixed(1)} s, ${event.speaker}: ${event.emotion}: ${event.text}`);
  } else if (event.type === "error") console.error(event.message);
});
