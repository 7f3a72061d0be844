/** The dispatches this page knows, kept current by the log; their steps; and what their workers say meanwhile. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import type { AuditEntry, DispatchInfo, DispatchPage, LogEntry, Observed } from "../../wire/frames";
import { changed } from "./follow";
import { type Steps, rowOf, withRows } from "./steps";

export const dispatches = signal<ReadonlyMap<string, DispatchInfo>>(new Map());
export const steps = signal<Steps>(new Map());
/** The last word of a worker about what it is at. */
export const notes = signal<ReadonlyMap<string, string>>(new Map());
/** There are older ones than those that were read. */
export const older = signal<string | undefined>(undefined);
/** Since when all steps are known. */
const stepsSince = signal(Infinity);

const PAGE = 100;
const PAGES_MAX = 10;
const ROWS = 200;
const KEPT_MAX = 5_000;

export function put(...infos: readonly DispatchInfo[]): void {
  if (infos.length === 0) return;
  const next = new Map(dispatches.value);
  for (const info of infos) {
    // A list has less than `dispatch.status` says, and an answer may be older than what the log said since.
    const known = next.get(info.id);
    const isOlder = known?.ended_at !== undefined && info.ended_at === undefined;
    if (!isOlder)
      next.set(info.id, { ...info, ...(known?.input === undefined ? {} : { input: known.input }) });
  }
  for (const id of next.keys()) {
    if (next.size <= KEPT_MAX) break;
    if (next.get(id)?.ended_at !== undefined) next.delete(id);
  }
  dispatches.value = next;
}

async function pages(
  first: (before: string | undefined) => Promise<DispatchPage>,
): Promise<string | undefined> {
  let before: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { dispatches, next } = await first(before);
    put(...dispatches);
    before = next;
    if (before === undefined) return undefined;
  }
  return before;
}

const from = (before: string | undefined) => (before === undefined ? {} : { before });

export async function readOpen(): Promise<void> {
  await pages((before) => link.ask("dispatch.list", { open: true, limit: 200, ...from(before) }));
}

export async function readDead(): Promise<void> {
  await pages((before) => link.ask("dispatch.list", { dead: true, limit: PAGE, ...from(before) }));
}

/** The latest, or those before what was read already. */
export async function readLatest(before?: string): Promise<void> {
  const page = await link.ask("dispatch.list", { limit: PAGE, ...from(before) });
  put(...page.dispatches);
  older.value = page.next;
}

export async function readTree(root: string): Promise<void> {
  await pages((before) => link.ask("dispatch.list", { root, limit: 200, ...from(before) }));
}

/** Everything about one; it stays among the others. */
export async function readOne(dispatch: string): Promise<DispatchInfo> {
  const info = await link.ask("dispatch.status", { dispatch });
  put(info);
  return info;
}

async function rows(asked: { since?: number; subject?: string }): Promise<void> {
  let before: number | undefined;
  for (let page = 0; page < PAGES_MAX;) {
    const payload = { kind: "dispatch", limit: ROWS, ...asked, ...(before === undefined ? {} : { before }) };
    const { entries, next } = await link.ask("audit.list", payload);
    steps.value = withRows(steps.value, entries);
    if (next === undefined) return;
    before = next;
    // Where nothing of it was, one looks on.
    if (entries.length > 0) page += 1;
  }
}

/** The steps of all since then, for the timeline. */
export async function readSteps(since: number): Promise<void> {
  if (since >= stepsSince.value) return;
  await rows({ since });
  stepsSince.value = since;
}

export function readStepsOf(subject: string): Promise<void> {
  const since = dispatches.value.get(subject)?.accepted_at;
  return rows({ subject, ...(since === undefined ? {} : { since }) });
}

function onLog(entry: LogEntry): void {
  const row: AuditEntry | undefined = rowOf(entry);
  if (!row) return;
  steps.value = withRows(steps.value, [row]);
  const { body } = entry;
  if (body.type === "dispatch_accepted") put(body);
  const known = dispatches.value.get(row.subject);
  const next = known && changed(known, entry);
  if (next === "unknown" || (!known && body.type !== "dispatch_accepted")) {
    readOne(row.subject).catch(() => undefined);
  } else if (next) {
    dispatches.value = new Map(dispatches.value).set(next.id, next);
  }
}

function onObserve({ dispatch, what }: Observed): void {
  if (dispatch === undefined || what.type !== "progress") return;
  notes.value = new Map(notes.value).set(dispatch, what.note);
}

/** Reads what is shown and keeps it current while the page is there. */
export function useWork(): { known: boolean; error: Error | undefined; reload: () => void } {
  const [known, setKnown] = useState(false);
  const [error, setError] = useState<Error>();
  const read = () => {
    Promise.all([readOpen(), readLatest()]).then(
      () => {
        setError(undefined);
        setKnown(true);
      },
      (error: unknown) => setError(asError(error)),
    );
  };
  useEffect(() => {
    // What happened while nobody looked is not in the steps.
    stepsSince.value = Infinity;
    const off = [
      link.on("log", onLog),
      link.on("observe", onObserve),
      link.on("fresh", ({ again }) => again && read()),
    ];
    read();
    return () => off.forEach((stop) => stop());
  }, []);
  return { known, error, reload: read };
}
