/**
 * The audit trail, and a search in messages, in whole pages. In one look the broker goes through so many entries, and it
 * may find nothing.
 */
import type { AuditList, AuditPage, ChatFound, ChatSearch } from "../wire/frames";
import { link } from "./link";

/** After so many looks a page is shown as far as it is. */
const LOOKS_MAX = 20;

/** Of which so many are wanted. */
export type Wanted = AuditList & { limit: number };

/** The latest, as many as are wanted, unless there are fewer above `floor`. */
export async function trail(
  wanted: Wanted,
  floor = 0,
  ask: (list: Wanted) => Promise<AuditPage> = (list) => link.ask("audit.list", list),
): Promise<AuditPage> {
  let page = await ask(wanted);
  const entries = [...page.entries];
  for (let looks = 1; looks < LOOKS_MAX; looks += 1) {
    const { next } = page;
    if (next === undefined || next <= floor || entries.length >= wanted.limit) break;
    page = await ask({ ...wanted, before: next, limit: wanted.limit - entries.length });
    entries.push(...page.entries);
  }
  return { ...page, entries };
}

/** The latest messages that match, as many as are wanted. */
export async function search(
  wanted: ChatSearch & { limit: number },
  ask: (search: ChatSearch) => Promise<ChatFound> = (search) => link.ask("chat.search", search),
): Promise<ChatFound> {
  let page = await ask(wanted);
  const { indexed_seq } = page;
  const hits = [...page.hits];
  for (let looks = 1; looks < LOOKS_MAX; looks += 1) {
    const { next } = page;
    if (next === undefined || hits.length >= wanted.limit) break;
    page = await ask({ ...wanted, cursor: next, limit: wanted.limit - hits.length });
    hits.push(...page.hits);
  }
  // What the index had not come to at first was not looked through.
  return { ...page, hits, indexed_seq };
}
