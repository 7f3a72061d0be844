import { expect, test } from "vitest";
import type { Observed, TurnEvent } from "../wire/frames";
import { advance, type LiveTurn } from "./turn";

const about = { aspect: "wren", turn: "t1", thread: "th1" };
const begin: Observed = { ...about, seq: 1, what: { type: "begin", turn: "t1", message: "m1" } };
const event = (n: number, event: TurnEvent): Observed => ({
  ...about,
  seq: n + 2,
  what: { type: "event", turn: "t1", n, event },
});
const text = (text: string): TurnEvent => ({ type: "text", text });
const call: TurnEvent = { type: "tool_call", call: "c1", name: "read_file", input: { path: "a" } };
const result: TurnEvent = {
  type: "tool_result",
  call: "c1",
  name: "read_file",
  is_error: false,
  preview: "x",
};
const tool = { type: "tool", call: "c1", name: "read_file", input: { path: "a" } };

const play = (...frames: Observed[]) =>
  frames.reduce<LiveTurn | undefined>((turn, frame) => advance(turn, frame, 7), undefined);

test("text that streams becomes one part, and a result finds its call", () => {
  const turn = play(begin, event(0, text("Look")), event(1, text("ing.")), event(2, call), event(3, result));
  expect(turn).toEqual({
    ...about,
    dispatch: undefined,
    message: "m1",
    parts: [
      { type: "text", text: "Looking." },
      { ...tool, result: { failed: false, preview: "x" } },
    ],
    next: 4,
  });
});

test("a restart voids what streamed since the last result", () => {
  const again = { type: "restarted", reason: "overloaded" } as const;
  const turn = play(
    begin,
    event(0, call),
    event(1, result),
    event(2, text("half")),
    event(3, again),
    event(4, text("whole")),
  );
  expect(turn?.parts.map((part) => (part.type === "text" ? part.text : part.type))).toEqual([
    "tool",
    "whole",
  ]);
  expect(play(begin, event(0, text("half")), event(1, again))?.parts).toEqual([]);
});

test("what is missing shows, at the beginning and between", () => {
  expect(play(event(4, text("late")))?.parts).toEqual([{ type: "missing" }, { type: "text", text: "late" }]);
  const turn = play(begin, event(0, text("a")), event(3, text("b")));
  expect(turn?.parts).toEqual([
    { type: "text", text: "a" },
    { type: "missing" },
    { type: "text", text: "b" },
  ]);
});

test("frames that come twice change nothing", () => {
  const once = play(begin, event(0, text("a")), event(1, text("b")));
  expect(
    play(begin, event(0, text("a")), event(1, text("b")), begin, event(0, text("a")), event(1, text("b"))),
  ).toEqual(once);
});

test("the end says what was decided", () => {
  const end: Observed = { ...about, seq: 9, what: { type: "end", turn: "t1", n: 1, decision: "replied" } };
  expect(play(begin, event(0, text("a")), end)?.ended).toEqual({ decision: "replied", at: 7 });
});
