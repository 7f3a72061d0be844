import { expect, test } from "vitest";
import type { LogEntry } from "../../wire/frames";
import { edgesOf, settle, talksOf, type Talk } from "./graph";

test("messages go to each recipient, dispatches to the host of their Hand", () => {
  const about = { seq: 1, at: 5, actor: "wren" };
  const message = {
    type: "message",
    id: "m",
    seq: 1,
    thread: "t",
    from: "wren",
    to: ["forge", "keel"],
    content: "",
    at: 5,
  };
  expect(talksOf({ ...about, body: message } as LogEntry)).toEqual([
    { from: "wren", to: "forge", kind: "message", at: 5 },
    { from: "wren", to: "keel", kind: "message", at: 5 },
  ]);
  const dispatch = { type: "dispatch_accepted", invoker: "wren", hand: "forge/self" };
  expect(talksOf({ ...about, body: dispatch } as LogEntry)).toEqual([
    { from: "wren", to: "forge", kind: "dispatch", at: 5 },
  ]);
  expect(talksOf({ ...about, body: { type: "other", kind: "x", subject: "y" } })).toEqual([]);
});

test("what is old, and what somebody says to themselves, is no edge", () => {
  const talk = (from: string, to: string, kind: Talk["kind"], at: number): Talk => ({ from, to, kind, at });
  const talks = [
    talk("a", "b", "message", 1),
    talk("a", "b", "message", 20),
    talk("a", "b", "dispatch", 30),
    talk("b", "a", "message", 25),
    talk("a", "a", "dispatch", 40),
  ];
  expect(edgesOf(talks, 10)).toEqual([
    { from: "a", to: "b", messages: 1, dispatches: 1, at: 30 },
    { from: "b", to: "a", messages: 1, dispatches: 0, at: 25 },
  ]);
});

test("the same team stands the same way, inside, and apart", () => {
  const ids = ["a", "b", "c", "d"];
  const edges = edgesOf([{ from: "a", to: "b", kind: "message", at: 1 }], 0);
  const places = settle(ids, edges, new Map(), 400, 300);
  expect(settle(ids, edges, new Map(), 400, 300)).toEqual(places);
  const all = [...places.values()];
  for (const { x, y } of all)
    expect([x >= 40, x <= 360, y >= 40, y <= 260]).toEqual([true, true, true, true]);
  for (const one of all) {
    const others = all.filter((it) => it !== one);
    expect(Math.min(...others.map((it) => Math.hypot(it.x - one.x, it.y - one.y)))).toBeGreaterThan(40);
  }
});
