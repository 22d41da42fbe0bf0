/* Types of the service's answers, and sizes and times as text. */

import { count } from "../../inference/page/format.js";

/**
 * Sizes in bytes, times in seconds.
 * @typedef {object} About
 * @property {string} version
 * @property {string} model
 * @property {number} largest_upload
 * @property {number} longest_recording
 * @property {number} keep
 * @property {boolean} example
 * @property {boolean} key
 * @property {boolean} sets
 * @property {boolean} live
 * @property {{name: string, media_type: string, description: string}[]} formats
 */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} name
 * @property {"queued" | "running" | "done" | "partial" | "failed"} state
 * @property {string | null} stage
 * @property {number} done
 * @property {number} total
 * @property {number} ahead
 * @property {string[]} reasons
 * @property {number | null} expires
 * @property {Record<string, string>} files
 */

/**
 * The URL of a job, relative to the page, as the service may have a prefix.
 * @param {string} id
 */
export const jobAddress = (id) => `v1/jobs/${encodeURIComponent(id)}`;

/**
 * The URL of a result, relative to the page.
 * @param {Job} job
 * @param {string} format
 */
export const resultAddress = (job, format) => `${jobAddress(job.id)}/files/${format}`;

/**
 * The URL of a live session's result, relative to the page.
 * @param {string} session
 * @param {string} format
 */
export const liveAddress = (session, format) =>
  `v1/live/${encodeURIComponent(session)}/files/${format}`;

/** @param {number} bytes */
export const size = (bytes) =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MB` : `${+(bytes / 2 ** 30).toFixed(1)} GB`;

/** @param {number} seconds */
export const minutes = (seconds) => count(Math.ceil(seconds / 60), "minute");
