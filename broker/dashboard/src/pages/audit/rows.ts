/** Rows of the log as they are shown: pages going back, and what comes on top; with what is missing between. */
import type { AuditEntry } from "../../wire/frames";

export type Shown =
  | { is: "entry"; entry: AuditEntry }
  /** Between an entry and the one below it there are others that were not read. */
  | { is: "hole"; above: number; below: number };

/** Puts the newest page on top of what is there. `next`: where it ended, before it came to what is older. */
export function onTop(old: readonly Shown[], page: readonly AuditEntry[], next: number | undefined): Shown[] {
  const top = newest(old);
  const fresh = page.filter(({ seq }) => top === undefined || seq > top).map(shown);
  const missed = top !== undefined && next !== undefined && next > top;
  const hole: Shown[] = missed ? [{ is: "hole", above: next, below: top }] : [];
  return [...fresh, ...hole, ...old];
}

/** Puts an older page below. */
export function below(old: readonly Shown[], page: readonly AuditEntry[]): Shown[] {
  const bottom = oldest(old);
  return [...old, ...page.filter(({ seq }) => bottom === undefined || seq < bottom).map(shown)];
}

/** Fills a hole with the page that was read from its upper end; `next` is where that page ended. */
export function filled(
  old: readonly Shown[],
  above: number,
  page: readonly AuditEntry[],
  next: number | undefined,
): Shown[] {
  return old.flatMap((row): Shown[] => {
    if (row.is !== "hole" || row.above !== above) return [row];
    const within = page.filter(({ seq }) => seq > row.below);
    const still = next !== undefined && next > row.below;
    return [...within.map(shown), ...(still ? [{ is: "hole" as const, above: next, below: row.below }] : [])];
  });
}

const shown = (entry: AuditEntry): Shown => ({ is: "entry", entry });

const seqs = (rows: readonly Shown[]) => rows.flatMap((row) => (row.is === "entry" ? [row.entry.seq] : []));

export const newest = (rows: readonly Shown[]): number | undefined => seqs(rows)[0];
export const oldest = (rows: readonly Shown[]): number | undefined => seqs(rows).at(-1);
