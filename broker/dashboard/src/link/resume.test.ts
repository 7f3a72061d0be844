import { expect, test } from "vitest";
import type { LogEntry, Observed } from "../wire/frames";
import { Resume } from "./resume";

const entry = (seq: number): LogEntry => ({
  seq,
  at: 1,
  actor: "wren",
  body: { type: "other", kind: "k", subject: "s" },
});
const frame = (aspect: string, seq: number): Observed => ({
  aspect,
  seq,
  turn: "t",
  what: { type: "begin", turn: "t" },
});
const all = { observe: true, roster: true, activity: true };

test("the first time it follows from now on, and then from what was seen last", () => {
  const resume = new Resume();
  expect(resume.subscribe()).toEqual({ ...all, observe_from: {} });
  resume.subscribed({ head: 40 });
  expect([resume.log(entry(41)), resume.log(entry(43)), resume.observe(frame("wren", 7))]).toEqual([
    true,
    true,
    true,
  ]);
  expect(resume.subscribe()).toEqual({ ...all, from_seq: 43, observe_from: { wren: 7 } });
  resume.subscribed({ head: 60 });
  expect(resume.subscribe().from_seq).toBe(43);
});

test("what comes twice is seen once", () => {
  const resume = new Resume();
  resume.subscribed({ head: 40 });
  expect([40, 41, 41, 42].map((seq) => resume.log(entry(seq)))).toEqual([false, true, false, true]);
  expect([1, 2, 2, 1].map((seq) => resume.observe(frame("wren", seq)))).toEqual([true, true, false, false]);
  expect(resume.observe(frame("keel", 1))).toBe(true);
});

test("a gap is passed over, and another history begins where it says", () => {
  const resume = new Resume();
  resume.subscribed({ head: 40 });
  resume.gap({ from: 41, to: 90, reason: "pruned" });
  expect(resume.subscribe().from_seq).toBe(90);
  resume.gap({ from: 12, to: 90, reason: "restored" });
  expect([resume.log(entry(12)), resume.subscribe().from_seq]).toEqual([true, 12]);
  const gap = { aspect: "wren", from: 1, to: 20, reason: "kept no longer" };
  expect(resume.observeGap(gap), "what was never seen is not missed").toBe(false);
  expect(resume.observe(frame("wren", 21))).toBe(true);
  expect(resume.observeGap({ ...gap, from: 22, to: 30 })).toBe(true);
  expect(resume.observeGap({ ...gap, from: 3, to: 30 })).toBe(true);
  expect(resume.observe(frame("wren", 3))).toBe(true);
});
