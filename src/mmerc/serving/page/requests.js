/* Requests to the service: answers are JSON, failures are sentences. */

const UNREACHABLE = "The service does not answer; check whether it is running.";

/** A failure to show to the user; status 0 if the service did not answer. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * Return the service's JSON answer; throw a RequestError with its message otherwise.
 * @param {string} address
 * @param {RequestInit} [options]
 */
export async function request(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new RequestError(UNREACHABLE, 0);
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({ detail: UNREACHABLE }));
  if (!response.ok) throw new RequestError(body.detail, response.status);
  return body;
}

/**
 * Send a form, with progress (unlike fetch).
 * @template T
 * @param {string} address
 * @param {FormData} form
 * @param {(sent: number, total: number) => void} onProgress
 * @returns {Promise<T>}
 */
export function sendForm(address, form, onProgress) {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open("POST", address);
    upload.responseType = "json";
    upload.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    upload.addEventListener("error", () => reject(new RequestError(UNREACHABLE, 0)));
    upload.addEventListener("load", () => {
      if (upload.status === 202) resolve(upload.response);
      else reject(new RequestError(upload.response?.detail ?? UNREACHABLE, upload.status));
    });
    upload.send(form);
  });
}
