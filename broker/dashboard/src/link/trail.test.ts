import { expect, test } from "vitest";
import type { AuditPage, ChatFound, ChatSearch } from "../wire/frames";
import { type Wanted, search, trail } from "./trail";

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

/** What a search answers by its cursor. */
function found(seqs: number[], next?: number): ChatFound {
  const hits = seqs.map((seq) => ({
    message: `message ${seq}`,
    seq,
    thread: "thread",
    title: "a title",
    from: "wren",
    at: seq,
    snippet: [],
  }));
  const page = { hits, more: next !== undefined, indexed_seq: next ?? 5 };
  return next === undefined ? page : { ...page, next };
}

test("a search goes on until it has found as much as is shown", async () => {
  const pages = new Map([
    [undefined, found([], 70)],
    [70, found([65], 60)],
    [60, found([55], 50)],
    [50, found([45])],
  ]);
  const asked: ChatSearch[] = [];
  const ask = (search: ChatSearch) => {
    asked.push(search);
    const page = pages.get(search.cursor);
    return page ? Promise.resolve(page) : Promise.reject(new Error(`from ${String(search.cursor)}`));
  };
  const page = await search({ query: "moon", limit: 2 }, ask);
  expect([page.hits.map(({ seq }) => seq), page.next, page.indexed_seq]).toEqual([[65, 55], 50, 70]);
  expect(asked.map(({ cursor, limit }) => [cursor, limit])).toEqual([
    [undefined, 2],
    [70, 2],
    [60, 1],
  ]);
  const rest = await search({ query: "moon", limit: 2, cursor: 50 }, ask);
  expect([rest.hits.map(({ seq }) => seq), rest.next, rest.more]).toEqual([[45], undefined, false]);
});

test("a search that finds nothing ends some time and says where", async () => {
  const page = await search({ query: "moon", limit: 2 }, ({ cursor }) =>
    Promise.resolve(found([], (cursor ?? 1_000) - 1)),
  );
  expect([page.hits.length, page.more, page.next]).toEqual([0, true, 980]);
});
