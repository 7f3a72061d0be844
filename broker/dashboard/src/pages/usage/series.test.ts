import { describe, expect, it } from "vitest";
import type { UsageReport, UsageRow } from "../../wire/frames";
import { between, rangeOf } from "./range";
import { barsOf, dollars, everyDay, gaugesOf, microusd, partsOf, stacked, tokens } from "./series";

const row = (key: string, cost: number, input = 0, output = 0): UsageRow => ({
  key,
  messages: 1,
  dispatches: 0,
  usage: { input_tokens: input, output_tokens: output },
  cost_microusd: cost,
  unpriced: 0,
});
const NOON = Date.parse("2026-11-26T12:00:00Z");

describe("ranges", () => {
  it("are whole days of UTC", () => {
    expect(rangeOf("1", NOON)).toEqual({ since: Date.parse("2026-11-26T00:00:00Z") });
    expect(rangeOf("7", NOON)).toEqual({ since: Date.parse("2026-11-20T00:00:00Z") });
    expect(rangeOf("month", NOON)).toEqual({ since: Date.parse("2026-11-01T00:00:00Z") });
    expect(rangeOf("all", NOON)).toEqual({});
  });
  it("have both days when they are named", () => {
    expect(between("2026-11-20", "2026-11-21")).toEqual({
      since: Date.parse("2026-11-20T00:00:00Z"),
      until: Date.parse("2026-11-22T00:00:00Z"),
    });
    expect(between("", "nonsense")).toEqual({});
  });
});

describe("bars", () => {
  it("have every day of the range", () => {
    const days = everyDay([row("2026-11-24", 5)], { since: Date.parse("2026-11-23T00:00:00Z") }, NOON);
    expect(days.map((it) => [it.key, it.cost_microusd])).toEqual([
      ["2026-11-23", 0],
      ["2026-11-24", 5],
      ["2026-11-25", 0],
      ["2026-11-26", 0],
    ]);
    expect(everyDay([], {}, NOON)).toEqual([]);
  });
  it("keep what cannot be told apart together", () => {
    const rows = Array.from({ length: 20 }, (_, at) => row(`a${at}`, 1_000_000, 10, 1));
    const total = row("total", 21_000_000, 200, 20);
    const report: UsageReport = { by: "aspect", rows, total, more: false };
    const bars = barsOf(report, {}, NOON);
    expect([bars.keys.length, bars.keys.at(-1), bars.others]).toEqual([16, "5 others", 5]);
    expect([bars.cost.at(-1), bars.tokens[0]?.at(-1), bars.tokens[1]?.at(-1)]).toEqual([6, 50, 5]);
  });
  it("have as many digits at the side as they need", () => {
    const shown = [
      dollars(0, 1),
      dollars(5, 1),
      dollars(0.5, 0.25),
      dollars(0.075, 0.025),
      dollars(0.002, 0.001),
    ];
    expect(shown).toEqual(["$0", "$5", "$0.50", "$0.075", "$0.002"]);
  });
  it("stand on one another", () => {
    expect(
      stacked([
        [1, 2],
        [3, 0],
        [1, 1],
      ]),
    ).toEqual([
      [1, 2],
      [4, 2],
      [5, 3],
    ]);
  });
});

describe("budgets", () => {
  it("show what is limited and nothing else", () => {
    const spent = { tokens: 5, cost_microusd: 7 };
    expect(gaugesOf({ tokens: 10 }, spent, { tokens: 1, cost_microusd: 0 })).toEqual([
      { what: "tokens", limit: 10, used: 5, reserved: 1 },
    ]);
    expect(partsOf(10, 5, 1)).toEqual({ used: 0.5, reserved: 0.1, limit: 1, over: false });
    expect(partsOf(10, 20, 0)).toEqual({ used: 1, reserved: 0, limit: 0.5, over: true });
  });
  it("are typed as people write sums", () => {
    expect(["1", "0.25", "$12.345678", "1,5", "x", "-1", "1.2345678"].map(microusd)).toEqual([
      1_000_000,
      250_000,
      12_345_678,
      1_500_000,
      undefined,
      undefined,
      undefined,
    ]);
    expect(["200000", "200 k", "1.5M", "1 000", "1.5", "many"].map(tokens)).toEqual([
      200_000,
      200_000,
      1_500_000,
      1_000,
      undefined,
      undefined,
    ]);
  });
});
