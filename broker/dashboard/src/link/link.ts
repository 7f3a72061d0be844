/**
 * The link to the broker: one WebSocket, dialled again whenever it breaks. Requests wait for their answer across
 * that, under the same id, so that nothing is done twice; the subscription goes on where it was.
 */
import { signal } from "@preact/signals";
import type { Answers, Asks, ErrorBody, Shutdown, Subscribed, Tells } from "../wire/frames";
import { Backoff } from "./backoff";
import { uuidv7 } from "./ids";
import { Refusal } from "./refusal";
import { Resume } from "./resume";

/** Requests with an answer of their own. */
export type Kind = keyof Asks & keyof Answers;

export type LinkState =
  | { at: "idle" }
  | { at: "dialling"; since: number }
  | { at: "open" }
  /** `next` is when it is dialled again. */
  | { at: "down"; since: number; next: number };

interface Told {
  log: Tells["log"];
  observe: Tells["observe"];
  "roster.changed": Tells["roster.changed"];
  activity: Tells["activity"];
  gap: Tells["gap"];
  "observe.gap": Tells["observe.gap"];
  /** The subscription stands (again): lists that were read before may be old. */
  fresh: { again: boolean };
}

interface Waiting {
  frame: string;
  resolve: (payload: never) => void;
  reject: (error: Error) => void;
}

interface Envelope {
  kind: string;
  in_reply_to?: string;
  payload?: unknown;
}

const WAITING_MAX = 512;
/** The browser shows no pings, so after this long without a frame we ask something ourselves. */
const QUIET_MS = 30_000;
const PATIENCE_MS = 15_000;
const CLOSED_REVOKED = 4003;

class Link {
  readonly state = signal<LinkState>({ at: "idle" });

  private socket: WebSocket | undefined;
  private resume = new Resume();
  private readonly backoff = new Backoff();
  private readonly waiting = new Map<string, Waiting>();
  private readonly listeners = new Map<string, Set<(payload: never) => void>>();
  private redial: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private retryAfterMs: number | undefined;
  private wasFresh = false;
  private downSince: number | undefined;

  /** `stillIn` says whether the session is good, when a dial was refused: the browser does not tell why. */
  private stillIn: () => Promise<boolean> = () => Promise.resolve(true);

  open(stillIn: () => Promise<boolean>): void {
    this.close();
    this.stillIn = stillIn;
    this.resume = new Resume();
    this.wasFresh = false;
    this.dial();
  }

  /** Ends it and forgets what was waiting. */
  close(): void {
    clearTimeout(this.redial);
    clearTimeout(this.quiet);
    const { socket } = this;
    this.socket = undefined;
    socket?.close(1000);
    const gone = new Refusal({ code: "shutting_down", message: "you logged out", retryable: false });
    for (const { reject } of this.waiting.values()) reject(gone);
    this.waiting.clear();
    this.downSince = undefined;
    this.state.value = { at: "idle" };
  }

  /** Dials at once instead of when it would. */
  now(): void {
    if (this.state.value.at !== "down") return;
    clearTimeout(this.redial);
    this.dial();
  }

  on<K extends keyof Told>(kind: K, call: (payload: Told[K]) => void): () => void {
    const known = this.listeners.get(kind) ?? new Set();
    this.listeners.set(kind, known);
    known.add(call);
    // Whoever comes once the subscription stands has not missed that it does.
    if (kind === "fresh" && this.wasFresh) call({ again: false } as Told[K]);
    return () => known.delete(call);
  }

  /**
   * Asks the broker. While the link is down the request waits and is sent once it is back. `id` is the request's; say
   * one to repeat a request that must not happen twice.
   */
  ask<K extends Kind>(kind: K, payload: Asks[K], id = uuidv7()): Promise<Answers[K]> {
    if (this.waiting.size >= WAITING_MAX) {
      const message = "too much is waiting for the broker already";
      return Promise.reject(new Refusal({ code: "queue_full", message, retryable: true }));
    }
    const frame = JSON.stringify({ kind, id, payload });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { frame, resolve: resolve, reject });
      if (this.state.value.at === "open") this.socket?.send(frame);
    });
  }

  private dial(): void {
    this.downSince ??= Date.now();
    this.state.value = { at: "dialling", since: this.downSince };
    const { protocol, host } = window.location;
    const socket = new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/connect`, "nexus.v1");
    this.socket = socket;
    const ours = () => this.socket === socket;
    let opened = false;
    socket.addEventListener("open", () => {
      if (!ours()) return;
      opened = true;
      this.opened(socket);
    });
    socket.addEventListener("message", (event) => {
      if (ours() && typeof event.data === "string") this.heard(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (!ours()) return;
      this.socket = undefined;
      clearTimeout(this.quiet);
      void this.broke(!opened || event.code === CLOSED_REVOKED);
    });
  }

  private opened(socket: WebSocket): void {
    const id = uuidv7();
    const subscribed = (answer: Subscribed) => {
      this.resume.subscribed(answer);
      this.tell("fresh", { again: this.wasFresh });
      this.wasFresh = true;
    };
    const frame = JSON.stringify({ kind: "subscribe", id, payload: this.resume.subscribe() });
    const old = [...this.waiting.values()];
    this.waiting.set(id, { frame, resolve: subscribed, reject: () => socket.close() });
    socket.send(frame);
    for (const { frame } of old) socket.send(frame);
    this.downSince = undefined;
    this.state.value = { at: "open" };
    this.listenFor();
  }

  private heard(text: string): void {
    this.listenFor();
    const { kind, in_reply_to: to, payload } = JSON.parse(text) as Envelope;
    if (to !== undefined) {
      const asked = this.waiting.get(to);
      this.waiting.delete(to);
      this.backoff.reset();
      if (kind === "error") asked?.reject(new Refusal(payload as ErrorBody));
      else asked?.resolve((payload ?? {}) as never);
      return;
    }
    switch (kind) {
      case "log":
        if (this.resume.log(payload as Told["log"])) this.tell("log", payload as Told["log"]);
        break;
      case "observe":
        if (this.resume.observe(payload as Told["observe"])) this.tell("observe", payload as Told["observe"]);
        break;
      case "gap":
        this.resume.gap(payload as Told["gap"]);
        this.tell("gap", payload as Told["gap"]);
        break;
      case "observe.gap":
        if (this.resume.observeGap(payload as Told["observe.gap"])) {
          this.tell("observe.gap", payload as Told["observe.gap"]);
        }
        break;
      case "roster.changed":
      case "activity":
        this.tell(kind, payload as never);
        break;
      case "shutdown":
        this.retryAfterMs = (payload as Shutdown).retry_after_ms;
        break;
      default:
      // Kinds of later versions are not for us.
    }
  }

  private tell<K extends keyof Told>(kind: K, payload: Told[K]): void {
    for (const call of this.listeners.get(kind) ?? []) call(payload as never);
  }

  private async broke(mayBeOut: boolean): Promise<void> {
    // What subscribed is asked anew by the next dial.
    for (const [id, { frame }] of this.waiting) {
      if (frame.startsWith('{"kind":"subscribe"')) this.waiting.delete(id);
    }
    const since = (this.downSince ??= Date.now());
    const wait = Math.max(this.backoff.next(), this.retryAfterMs ?? 0);
    this.retryAfterMs = undefined;
    this.state.value = { at: "down", since, next: Date.now() + wait };
    this.redial = setTimeout(() => this.dial(), wait);
    if (mayBeOut && !(await this.stillIn())) this.close();
  }

  /** A link that says nothing for long is asked for a sign of life. */
  private listenFor(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => {
      const { socket } = this;
      this.ask("team.list", { limit: 1 }).catch(() => undefined);
      this.quiet = setTimeout(() => socket?.close(), PATIENCE_MS);
    }, QUIET_MS);
  }
}

export const link = new Link();
