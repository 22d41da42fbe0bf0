/* Talking to the service: every answer is JSON, every trouble a sentence. */

const AWAY = "The service does not answer; see whether it runs.";

class Trouble extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether the same may well be answered a little later. */
  get passes() {
    return this.status === 0 || this.status >= 500;
  }
}

/** An answer, or Trouble with what the service says. */
async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Trouble(AWAY, 0);
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({ detail: AWAY }));
  if (!response.ok) throw new Trouble(body.detail, response.status);
  return body;
}

/** Send a form; fetch could not tell how far it is. */
function send(address, form, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.addEventListener("error", () => failed(new Trouble(AWAY, 0)));
    request.addEventListener("load", () => {
      if (request.status === 202) done(request.response);
      else failed(new Trouble(request.response?.detail ?? AWAY, request.status));
    });
    request.send(form);
  });
}
