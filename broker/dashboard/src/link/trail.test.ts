import { expect, test } from "vitest";
import type { AuditPage } from "../wire/frames";
import { type Wanted, trail } from "./trail";

const entry = (seq: number) => ({ seq, at: seq, kind: "x", actor: "system", subject: "y" });

/** Entries with these `seq`s in a log of a thousand, of which each look goes through a hundred. */
function broker(...seqs: number[]) {
  const asked: Wanted[] = [];
  const ask = (list: Wanted): Promise<AuditPage> => {
    asked.push(list);
    const before = list.before ?? 1_001;
    const from = Math.max(before - 100, 1);
    const entries = seqs.filter((seq) => seq >= from && seq < before).slice(0, list.limit);
    const last = entries.at(-1);
    const next = entries.length === list.limit && last !== undefined ? last : from;
    const page = { entries: entries.map(entry), more: next > 1 };
    return Promise.resolve(next > 1 ? { ...page, next } : page);
  };
  return { asked, ask };
}

const seqs = ({ entries }: AuditPage) => entries.map(({ seq }) => seq);

test("a page is full, though what is in it lies far apart", async () => {
  const { ask, asked } = broker(950, 620, 610, 90);
  const page = await trail({ kind: "x", limit: 2 }, 0, ask);
  expect([seqs(page), page.next, asked.length]).toEqual([[950, 620], 620, 4]);
  const rest = await trail({ kind: "x", limit: 9, before: 620 }, 0, ask);
  expect([seqs(rest), rest.next, rest.more]).toEqual([[610, 90], undefined, false]);
});

test("what is known already is not looked through again", async () => {
  const { ask, asked } = broker(950, 90);
  const page = await trail({ kind: "x", limit: 9 }, 850, ask);
  expect([seqs(page), page.next, asked.length]).toEqual([[950], 801, 2]);
});
