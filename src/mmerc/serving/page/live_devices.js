/* Microphone and camera: request, record, show as on, and release. */

import { byId, createElement, typedById } from "../../inference/page/elements.js";

const RECORDING_TYPE = "audio/webm;codecs=opus";
const SLICE = 200; // milliseconds of sound per message
const PICTURE_INTERVAL = 200; // milliseconds
const PICTURE_WIDTH = 640; // pixels
const QUALITY = 0.8;
const LOUD = 0.3; // root mean square for a full meter

/** A device is unusable; the message is a sentence. */
export class DeviceError extends Error {}

/**
 * Request the microphone and optionally the camera.
 * @param {boolean} camera
 */
export async function askForDevices(camera) {
  if (!navigator.mediaDevices) {
    throw new DeviceError("A browser allows the microphone only over HTTPS or on this computer.");
  }
  if (!MediaRecorder.isTypeSupported(RECORDING_TYPE)) {
    throw new DeviceError("This browser cannot record Opus in WebM; try a newer one.");
  }
  const what = camera ? "microphone and the camera" : "microphone";
  const video = camera && { width: { ideal: PICTURE_WIDTH } };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 }, video });
  } catch (error) {
    const fixes = /** @type {Record<string, string>} */ ({
      NotFoundError: camera ? "connect both, or go on without the camera" : "connect one",
      NotReadableError: "close the program that uses it",
    });
    const name = error instanceof DOMException ? error.name : "";
    const fix = fixes[name] ?? `allow ${camera ? "both" : "it"} in the browser`;
    throw new DeviceError(`The ${what} cannot be used; ${fix}.`);
  }
}

export class Devices {
  #stopped = false;

  /**
   * `onSound` receives pieces of sound, `onPicture` JPEG pictures with times in seconds.
   * @param {MediaStream} stream
   * @param {{onSound: (data: ArrayBuffer) => void, wantsPicture: () => boolean,
   *   onPicture: (time: number, jpeg: ArrayBuffer) => void, onLost: () => void}} events
   */
  constructor(stream, { onSound, wantsPicture, onPicture, onLost }) {
    this.stream = stream;
    this.onSound = onSound;
    this.wantsPicture = wantsPicture;
    this.onPicture = onPicture;
    this.sound = new MediaStream(stream.getAudioTracks());
    this.recorder = new MediaRecorder(this.sound, { mimeType: RECORDING_TYPE });
    this.began = performance.now();
    this.pending = Promise.resolve();
    this.preview = typedById("camera", HTMLVideoElement);
    this.audio = new AudioContext();
    for (const track of stream.getTracks()) track.addEventListener("ended", onLost);
    this.#record();
    this.#measureLevel();
    if (stream.getVideoTracks().length > 0) this.#watch();
  }

  #record() {
    this.recorder.addEventListener("start", () => {
      this.began = performance.now();
    });
    this.recorder.addEventListener("dataavailable", ({ data }) => {
      this.pending = this.pending.then(async () => this.onSound(await data.arrayBuffer()));
    });
    this.recorder.start(SLICE);
    byId("microphone").hidden = false;
  }

  #measureLevel() {
    const analyser = this.audio.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    this.audio.createMediaStreamSource(this.sound).connect(analyser);
    const level = typedById("level", HTMLMeterElement);
    const draw = () => {
      if (this.#stopped) return;
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
      level.value = Math.min(1, Math.sqrt(power) / LOUD);
      requestAnimationFrame(draw);
    };
    draw();
  }

  #watch() {
    this.preview.srcObject = this.stream;
    this.preview.play().catch(() => {}); // a hidden page may refuse
    byId("view").hidden = false;
    const canvas = createElement("canvas", null);
    const context = canvas.getContext("2d");
    const take = () => {
      if (this.#stopped) return;
      setTimeout(take, PICTURE_INTERVAL);
      const { videoWidth, videoHeight } = this.preview;
      if (videoWidth === 0 || !this.wantsPicture()) return;
      const scale = Math.min(1, PICTURE_WIDTH / Math.max(videoWidth, videoHeight));
      canvas.width = Math.round(scale * videoWidth);
      canvas.height = Math.round(scale * videoHeight);
      context?.drawImage(this.preview, 0, 0, canvas.width, canvas.height);
      const time = (performance.now() - this.began) / 1000;
      canvas.toBlob(async (blob) => {
        if (blob) this.onPicture(time, await blob.arrayBuffer());
      }, "image/jpeg", QUALITY);
    };
    take();
  }

  /** Seconds since the start of the recording. */
  get seconds() {
    return (performance.now() - this.began) / 1000;
  }

  /** Stop recording, release the devices and wait for the last piece of sound. */
  async stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => this.recorder.addEventListener("stop", resolve));
      this.recorder.stop();
      await stopped;
    }
    for (const track of this.stream.getTracks()) track.stop();
    this.preview.srcObject = null;
    byId("microphone").hidden = true;
    byId("view").hidden = true;
    await this.audio.close();
    await this.pending;
  }
}
