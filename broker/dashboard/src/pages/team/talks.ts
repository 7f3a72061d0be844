/** What was said lately between whom: read once for the minutes before, then followed. */
import { signal } from "@preact/signals";
import { link } from "../../link/link";
import { type Talk, talksOf, WINDOW_MS } from "./graph";

export const talks = signal<readonly Talk[]>([]);

const THREADS = 12;
const MESSAGES = 50;
/** As many as can be told apart in a picture, and more. */
const KEPT_MAX = 2_000;

let read = false;

function add(more: readonly Talk[]): void {
  const since = Date.now() - WINDOW_MS;
  talks.value = [...talks.value, ...more].filter((it) => it.at >= since).slice(-KEPT_MAX);
}

/** The minutes before the page was opened. */
export async function readTalks(): Promise<void> {
  if (read) return;
  read = true;
  const since = Date.now() - WINDOW_MS;
  const [{ threads }, { dispatches }] = await Promise.all([
    link.ask("chat.threads", { limit: THREADS }),
    link.ask("dispatch.list", { limit: 200 }),
  ]);
  const lately = threads.filter((it) => it.last_at >= since);
  const pages = await Promise.all(
    lately.map((it) => link.ask("chat.read", { thread: it.id, before: 2 ** 53 - 1, limit: MESSAGES })),
  );
  const said = pages.flatMap((page) =>
    page.messages.flatMap((it) =>
      it.to.map((to): Talk => ({ from: it.from, to, kind: "message", at: it.at })),
    ),
  );
  const sent = dispatches.map((it): Talk => ({
    from: it.invoker,
    to: it.hand.split("/")[0] ?? it.hand,
    kind: "dispatch",
    at: it.accepted_at,
  }));
  add([...said, ...sent]);
}

link.on("log", (entry) => {
  const more = talksOf(entry);
  if (more.length > 0) add(more);
});
link.on("fresh", ({ again }) => {
  if (again) return;
  // Somebody else may have logged in, and sees their own.
  read = false;
  talks.value = [];
});
