// Talking to the server: JSON, and streams of server-sent events. Every failure is one of two classes.

import { gettext } from "./texts.js";

const SILENCE = 40_000; // the server sends a heartbeat every 15 s
export const UPLOAD = 120_000; // longer than the server waits for files to arrive

/** The server answered, and the answer is no. `error` is the name the HTTP contract gives it. */
export class Refused extends Error {
  constructor(status, { error = "refused", message = gettext("The server did not take that.") } = {}) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

/** No answer, or only the beginning of one: the server or the way there is gone. */
export class Lost extends Error {}

async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const init = { method, signal, headers: { "Time-Zone": Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC", ...headers } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw new Lost(error.message);
  }
  if (response.ok) return response;
  if (response.status === 401) location.assign("/login");
  throw new Refused(response.status, await response.json().catch(() => undefined));
}

export async function json(path, options) {
  const response = await send(path, options);
  return response.json().catch((error) => {
    throw new Lost(error.message);
  });
}

/** The events of a stream as `[name, data]`. Ends when the server ends it; `signal` ends it from here. `patience`: ms until its answer begins. */
export async function* events(path, { signal, patience = SILENCE, ...options } = {}) {
  const ours = new AbortController();
  let timer;
  const alive = (ms = SILENCE) => {
    clearTimeout(timer);
    timer = setTimeout(() => ours.abort(), ms);
  };
  try {
    alive(patience);
    const response = await send(path, { ...options, signal: signal ? AbortSignal.any([signal, ours.signal]) : ours.signal });
    let rest = "";
    for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      alive();
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const found = /^event: (.+)\ndata: (.*)$/.exec(block);
        if (found) yield [found[1], JSON.parse(found[2])];
      }
    }
  } catch (error) {
    throw error instanceof Refused ? error : new Lost(error.message);
  } finally {
    clearTimeout(timer);
    ours.abort();
  }
}

// `for await` over a stream itself is not in every browser yet.
async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
