/** Threads, the latest activity first, as far as they were read. */
import { computed, signal } from "@preact/signals";
import { link } from "../link/link";
import type { LogEntry, Message, ThreadInfo } from "../wire/frames";
import { myParty } from "./session";

const known = signal<ReadonlyMap<string, ThreadInfo>>(new Map());
/** Where the next page begins; absent when all were read. */
export const moreThreads = signal<number | undefined>(undefined);
export const threadsKnown = signal(false);

export const threads = computed(() =>
  [...known.value.values()].sort((a, b) => (b.last_seq ?? 0) - (a.last_seq ?? 0)),
);
export const threadOf = (id: string): ThreadInfo | undefined => known.value.get(id);
export const unreadThreads = computed(() => threads.value.filter((it) => (it.unread ?? 0) > 0).length);

export function putThread(thread: ThreadInfo): void {
  known.value = new Map(known.value).set(thread.id, thread);
}

export async function readThreads(before?: number): Promise<void> {
  const page = await link.ask("chat.threads", before === undefined ? {} : { before });
  const next = new Map(before === undefined ? [] : known.value);
  for (const thread of page.threads) next.set(thread.id, thread);
  known.value = next;
  moreThreads.value = page.next;
  threadsKnown.value = true;
}

const asked = new Set<string>();

/** Reads one anew, for what the log says of it without its content. */
export function readThread(id: string): void {
  if (asked.has(id)) return;
  asked.add(id);
  link
    .ask("thread.get", { thread: id })
    .then(putThread)
    .catch(() => undefined)
    .finally(() => asked.delete(id));
}

/** The thread after one more message in it. `reader` is who counts what they have not read. */
export function withMessage(thread: ThreadInfo, message: Message, reader: string): ThreadInfo {
  if (message.seq <= (thread.last_seq ?? 0)) return thread;
  const mine = message.from === reader;
  const newcomers = [message.from, ...message.to].filter((it) => !thread.participants.includes(it));
  return {
    ...thread,
    last_seq: message.seq,
    last_at: message.at,
    messages: thread.messages + 1,
    participants: [...thread.participants, ...new Set(newcomers)],
    unread: mine ? 0 : Math.min((thread.unread ?? 0) + 1, 999),
    // Whatever the guard paused goes on once an operator speaks.
    paused: thread.paused && !message.from.startsWith("operator/"),
  };
}

/** Says that everything up to `seq` was read. */
export function markRead(id: string, seq: number): void {
  const thread = known.value.get(id);
  if (!thread || (thread.unread ?? 0) === 0) return;
  putThread({ ...thread, unread: 0 });
  link.ask("chat.mark", { thread: id, seq }).catch(() => undefined);
}

function follow({ body, thread: id }: LogEntry): void {
  if (body.type === "message") {
    const thread = known.value.get(body.thread);
    if (thread) putThread(withMessage(thread, body, myParty.value));
    else readThread(body.thread);
  } else if (body.type === "alert" && body.kind === "thread_paused") {
    readThread(body.subject);
  } else if (body.type === "other" && body.kind.startsWith("thread.")) {
    readThread(id ?? body.subject);
  }
}

link.on("log", follow);
link.on("fresh", () => void readThreads().catch(() => undefined));
