import { expect, it } from "vitest";
import type { SessionNode } from "../../wire/frames";
import { lines, rows } from "./compare";

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

it("unified, tells all of the one before the other", () => {
  const one = ["hello", "red", "dark", "bye"].map((text, at) => node(`a${at}`, text));
  const other = ["hello", "blue", "bye", "again"].map((text, at) => node(`b${at}`, text));
  const told = lines(rows(one, other)).map(({ sign, node }) => `${sign}${node.id}`);
  expect(told).toEqual([" a0", "-a1", "-a2", "+b1", " a3", "+b3"]);
});
