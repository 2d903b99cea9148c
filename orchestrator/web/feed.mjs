// How the page learns of the state: by an event stream, else by asking every two seconds. It says
// when it last heard, so that nothing old is ever shown as live.

const POLL_MS = 2000;
const STREAM_AGAIN_MS = 15_000;
const DISPLACED_AGAIN_MS = 300_000;
const STALE_MS = 5000;
const HIDDEN_MS = 60_000;
const CALL_MS = 15_000;

let secret = null;

// What each order of this session must carry; null: none is known.
export function setSecret(value) {
  secret = value;
}

// One call of the API: {status, body}; status 0 when there was no answer, with `problem`.
export async function call(method, path, body) {
  const headers = {accept: "application/json"};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (secret !== null && method !== "GET") headers["x-pointsman-csrf"] = secret;
  try {
    const answer = await fetch(path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", credentials: "same-origin", redirect: "error",
      signal: AbortSignal.timeout(CALL_MS)});
    const text = await answer.text();
    let told = {};
    try {
      told = JSON.parse(text);
    } catch {
      told = {detail: text.slice(0, 200)};
    }
    return {status: answer.status, body: told, problem: told.detail ?? `HTTP ${answer.status}`};
  } catch (error) {
    return {status: 0, body: {}, problem: String(error?.message ?? error)};
  }
}

export class Feed {
  // `heard(state)`: the state came. `ended()`: the session is no more.
  constructor({heard, ended}) {
    this.heard = heard;
    this.ended = ended;
    this.stream = null;
    this.timer = null;
    this.streamDue = 0;
    this.hiddenSince = null;
    this.lastHeard = 0;
    this.running = false;
    document.addEventListener("visibilitychange", () => this.seen());
  }

  start() {
    this.running = true;
    this.lastHeard = performance.now();  // Nothing is old before it could have come.
    this.streamDue = 0;
    this.poll();
  }

  stop() {
    this.running = false;
    this.closeStream();
    clearTimeout(this.timer);
    this.timer = null;
  }

  // How long ago, in milliseconds.
  age() {
    return performance.now() - this.lastHeard;
  }

  isStale() {
    return this.running && this.age() > STALE_MS;
  }

  isStreaming() {
    return this.stream !== null && this.stream.readyState === EventSource.OPEN;
  }

  take(state) {
    this.lastHeard = performance.now();
    this.heard(state);
  }

  // A page that nobody looks at holds no stream for long, and is up to date when looked at again.
  seen() {
    if (!this.running) return;
    if (document.hidden) {
      this.hiddenSince = performance.now();
      return;
    }
    this.hiddenSince = null;
    this.streamDue = Math.min(this.streamDue, performance.now());
    clearTimeout(this.timer);
    this.poll();
  }

  closeStream() {
    this.stream?.close();
    this.stream = null;
  }

  openStream() {
    const stream = new EventSource("/api/v1/events");
    this.stream = stream;
    this.streamDue = performance.now() + STREAM_AGAIN_MS;
    stream.addEventListener("state", (event) => {
      if (this.stream !== stream) return;
      try {
        this.take(JSON.parse(event.data));
      } catch {
        this.closeStream();  // Cut short: asked for again.
      }
    });
    stream.addEventListener("displaced", () => {
      if (this.stream !== stream) return;
      this.closeStream();
      this.streamDue = performance.now() + DISPLACED_AGAIN_MS;
    });
    stream.addEventListener("error", () => {
      if (this.stream === stream) this.closeStream();
    });
  }

  // Every two seconds: looks after the stream, or asks in its place.
  async poll() {
    if (!this.running) return;
    const away = this.hiddenSince !== null && performance.now() - this.hiddenSince > HIDDEN_MS;
    if (away) this.closeStream();
    const fresh = this.isStreaming() && !this.isStale();
    if (this.stream !== null && this.isStale()) this.closeStream();  // Open, and silent.
    if (!fresh && !away) await this.ask();
    if (!this.running) return;
    if (this.stream === null && !away && performance.now() >= this.streamDue) this.openStream();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  async ask() {
    const {status, body} = await call("GET", "/api/v1/services?explain=1");
    if (!this.running) return;
    if (status === 200) this.take(body);
    if (status === 401) {
      this.stop();
      this.ended();
    }
  }
}
