/* Offer to predict edited lines again. */

import { byId, typedById } from "../../inference/page/elements.js";
import { count } from "../../inference/page/format.js";
import { request, RequestError } from "./requests.js";

/** @import { CorrectionClient } from "./correction_client.js" */
/** @import { Job } from "./service.js" */

const JOB_INTERVAL = 1000; // milliseconds between two polls of the job
const COMMAND = "mmerc correct --predict-again";

export class PredictionOffer {
  #running = false;

  /**
   * @param {CorrectionClient} client
   * @param {(problem: string) => void} onProblem
   */
  constructor(client, onProblem) {
    this.client = client;
    this.onProblem = onProblem;
    /** Whether a service can predict; not with `mmerc correct --page`. */
    this.hasService = false;
    this.button = typedById("predict-again", HTMLButtonElement);
    this.button.addEventListener("click", () => this.#predict());
  }

  /** Offer to predict stale lines. */
  show() {
    const lines = [...this.client.lines.values()];
    const stale = lines.filter((line) => line.stale && !line.excluded).length;
    this.button.hidden = !this.hasService || stale === 0;
    this.button.disabled = this.#running;
    this.button.textContent = `Predict ${count(stale, "line")} again`;
    if (this.#running) return;
    byId("predicting").textContent =
      stale > 0 && !this.hasService ? `${COMMAND} predicts ${count(stale, "line")} again` : "";
  }

  /** Start a job of the service and wait for its end. */
  async #predict() {
    this.#running = true;
    this.show();
    this.onProblem("");
    try {
      while (this.client.isSaving) await new Promise((resolve) => setTimeout(resolve, 50));
      /** @type {Job} */
      let job = await request("predict-again", { method: "POST" });
      while (job.state === "queued" || job.state === "running") {
        byId("predicting").textContent = describeJob(job);
        await new Promise((resolve) => setTimeout(resolve, JOB_INTERVAL));
        job = await askAgain(job);
      }
      if (job.state === "failed") this.onProblem(job.reasons.join(" "));
      await this.client.refresh();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.onProblem(error.message);
    } finally {
      this.#running = false;
      this.show();
    }
  }
}

/**
 * Fetch the job; return the previous state while the service is unavailable.
 * @param {Job} job
 * @returns {Promise<Job>}
 */
async function askAgain(job) {
  try {
    return await request(`../${job.id}`);
  } catch (error) {
    if (error instanceof RequestError && error.isTemporary) return job;
    throw error;
  }
}

/** @param {Job} job */
function describeJob({ state, ahead, done, total }) {
  if (state === "queued") return ahead > 0 ? `Waiting: ${ahead} ahead` : "Waiting";
  return total > 0 ? `Predicting again: ${done} of ${total}` : "Predicting again";
}
