import { expect, test } from "vitest";
import { brief, bytes, count, duration, money, relative, shortId } from "./format";

test("a duration has one unit, rounded down", () => {
  expect([0, 59.9, 60, 3599, 3600, 86_399, 86_400, -3].map(duration)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "1 h",
    "23 h",
    "1 d",
    "0 s",
  ]);
});

test("times are relative while that says more than the date", () => {
  const now = Date.UTC(2026, 10, 21, 12);
  const ago = (seconds: number) => relative(now - seconds * 1000, now);
  expect([0, 30, 7200, -90].map(ago)).toEqual(["now", "30 s ago", "2 h ago", "in 1 min"]);
  expect(ago(40 * 86_400)).toBe("2026-10-12");
});

test("sums, counts and sizes", () => {
  expect([0, 40, 12_345, 2_500_000].map(money)).toEqual(["$0", "$0.0000", "$0.01", "$2.50"]);
  expect([812, 4_200, 42_000, 1_300_000].map(brief)).toEqual(["812", "4.2 k", "42 k", "1.3 M"]);
  expect([12, 2048, 3_500_000].map(bytes)).toEqual(["12 B", "2.0 KiB", "3.3 MiB"]);
  expect(count(1_234_567)).toBe("1\u202f234\u202f567");
});

test("a short id is the end of it", () => {
  expect([shortId("0199a0b1-c2d3-7123-8456-789abcdef012"), shortId("wren")]).toEqual(["bcdef012", "wren"]);
});
