import { expect, it } from "vitest";
import type { SessionNode } from "../../wire/frames";
import { rows } from "./compare";

const node = (id: string, summary: string): SessionNode => ({
  id,
  kind: "turn.user",
  at: 0,
  active: false,
  summary,
});
const told = (one: string[], other: string[]) =>
  rows(
    one.map((text, at) => node(`a${at}`, text)),
    other.map((text, at) => node(`b${at}`, text)),
  ).map(({ one, other, same }) => `${one?.id ?? "-"} ${same ? "=" : "|"} ${other?.id ?? "-"}`);

it("puts what is said in both into one line, and the rest beside each other", () => {
  expect(told(["hello", "red", "bye"], ["hello", "blue", "green", "bye"])).toEqual([
    "a0 = b0",
    "a1 | b1",
    "- | b2",
    "a2 = b3",
  ]);
});

it("shows a branch that has nothing beside one that has", () => {
  expect(told([], ["x"])).toEqual(["- | b0"]);
  expect(told(["x", "y"], [])).toEqual(["a0 | -", "a1 | -"]);
  expect(told([], [])).toEqual([]);
});
