/** What became of a dispatch, step by step, as the log tells it; and the stretches of time between. */
import type { AuditEntry, DispatchInfo, DispatchState, LogEntry } from "../../wire/frames";

export interface Step {
  seq: number;
  at: number;
  kind: string;
  actor: string;
}

/** The steps that are known of each dispatch, in the order of the log. */
export type Steps = ReadonlyMap<string, readonly Step[]>;

const FAMILY = "dispatch.";

/** Adds rows of the log; those that are known already change nothing. */
export function withRows(steps: Steps, rows: readonly AuditEntry[]): Steps {
  const next = new Map(steps);
  for (const { seq, at, kind, actor, subject } of rows) {
    if (!kind.startsWith(FAMILY)) continue;
    const known = next.get(subject) ?? [];
    if (known.some((step) => step.seq === seq)) continue;
    const step = { seq, at, kind: kind.slice(FAMILY.length), actor };
    next.set(
      subject,
      [...known, step].sort((a, b) => a.seq - b.seq),
    );
  }
  return next;
}

/** The same of what the subscription brings. */
export function rowOf({ seq, at, actor, body }: LogEntry): AuditEntry | undefined {
  switch (body.type) {
    case "dispatch_accepted":
      return { seq, at, actor, kind: "dispatch.accepted", subject: body.id };
    case "dispatch_assigned":
      return { seq, at, actor, kind: "dispatch.assigned", subject: body.dispatch };
    case "dispatch_ended":
      return { seq, at, actor, kind: "dispatch.ended", subject: body.dispatch };
    case "other":
      return body.kind.startsWith(FAMILY)
        ? { seq, at, actor, kind: body.kind, subject: body.subject }
        : undefined;
    case "message":
    case "item_closed":
    case "item_taken":
    case "reacted":
    case "alert":
      return undefined;
  }
}

export type Phase = "queued" | "working" | "waiting";

/** A stretch of a dispatch's life. */
export interface Stretch {
  phase: Phase;
  from: number;
  to: number;
  /** Which attempt it is part of; 0 before the first. */
  attempt: number;
}

export function hasEnded(state: DispatchState): boolean {
  return state === "done" || state === "failed" || state === "timed_out" || state === "cancelled";
}

/** What it did from its acceptance to its end, or to `now`. */
export function stretches(info: DispatchInfo, steps: readonly Step[], now: number): Stretch[] {
  const end = info.ended_at ?? Math.max(now, info.accepted_at);
  const out: Stretch[] = [];
  const at: { phase: Phase; from: number; attempt: number } = {
    phase: "queued",
    from: info.accepted_at,
    attempt: 0,
  };
  const turn = (next: Phase, when: number) => {
    const to = Math.min(when, end);
    if (to > at.from) out.push({ phase: at.phase, from: at.from, to, attempt: at.attempt });
    at.phase = next;
    at.from = Math.max(at.from, when);
  };
  const known = steps.some((step) => step.kind === "assigned") ? steps : fromInfo(info);
  for (const step of known) {
    if (step.kind === "assigned") {
      turn("working", step.at);
      at.attempt += 1;
    } else if (step.kind === "moved") {
      turn("queued", step.at);
    } else if (step.kind === "waiting") {
      turn("waiting", step.at);
    } else if (step.kind === "resumed") {
      turn("working", step.at);
    }
  }
  // Without the step that says so, all since its last attempt began counts as that.
  if (at.phase === "working" && (info.state === "waiting" || info.state === "retaking")) at.phase = "waiting";
  turn("queued", end);
  return out;
}

/** What is known without its steps: when its last attempt began. */
function fromInfo({ assigned_at, attempt }: DispatchInfo): Step[] {
  if (assigned_at === undefined || attempt === 0) return [];
  return [{ seq: 0, at: assigned_at, kind: "assigned", actor: "system" }];
}

const WORDS: Record<string, string> = {
  accepted: "accepted",
  assigned: "given to its worker",
  waiting: "its worker waits for other work",
  resumed: "its worker goes on",
  moved: "given to another Hand, because its host was lost",
  work_cancelled: "its worker is told to stop",
  work_stopped: "its worker has stopped",
  output_refused: "its output did not follow its schema",
  cancelled: "cancelled",
  ended: "ended",
  retried: "tried again as a new one",
};

/** A step in words; attempts are counted, because there may be several. */
export function inWords(steps: readonly Step[], at: number): string {
  const step = steps[at];
  if (step === undefined) return "";
  const words = WORDS[step.kind] ?? step.kind.replaceAll("_", " ");
  if (step.kind !== "assigned") return words;
  const attempt = steps.slice(0, at + 1).filter((it) => it.kind === "assigned").length;
  return attempt === 1 ? words : `${words}, attempt ${attempt}`;
}
