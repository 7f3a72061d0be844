import { describe, expect, it } from "vitest";
import type { DispatchInfo } from "../../wire/frames";
import { forest, groups, inOrder, ticks, within } from "./lanes";

function made(
  id: string,
  from: number,
  to: number | undefined,
  more: Partial<DispatchInfo> = {},
): DispatchInfo {
  return {
    id,
    root: id,
    hand: "wren/check",
    invoker: "operator/ana",
    key: "operator/ana",
    depth: 1,
    state: to === undefined ? "running" : "done",
    attempt: 1,
    accepted_at: from,
    deadline_at: 9000,
    ...(to === undefined ? {} : { ended_at: to }),
    ...more,
  };
}

const ids = (rows: DispatchInfo[][]) => rows.map((row) => row.map((info) => info.id));

describe("rows", () => {
  it("hold bars of one Hand that are not on each other", () => {
    const all = [
      made("a", 0, 100),
      made("b", 50, 200),
      made("c", 120, 300),
      made("d", 0, 10, { hand: "forge/make" }),
    ];
    const found = groups(all, "hand", 1000, 10);
    expect(found.map((group) => [group.key, ids(group.rows)])).toEqual([
      ["forge/make", [["d"]]],
      ["wren/check", [["a", "c"], ["b"]]],
    ]);
  });

  it("keep a gap, and what is open ends now", () => {
    const all = [made("a", 0, undefined), made("b", 100, 200), made("c", 205, 300)];
    expect(groups(all, "hand", 1000, 10).map((group) => ids(group.rows))).toEqual([[["a"], ["b"], ["c"]]]);
  });

  it("by root follow the tree, the latest root first", () => {
    const old = made("old", 0, 400);
    const child = made("child", 10, 300, { root: "old", parent: "old", hand: "keel/sum" });
    const grand = made("grand", 20, 200, { root: "old", parent: "child" });
    const second = made("second", 15, 200, { root: "old", parent: "old" });
    const fresh = made("fresh", 500, undefined, { hand: "forge/make" });
    const found = groups([second, grand, fresh, child, old], "root", 1000, 10);
    expect(found.map((group) => [group.label, ids(group.rows).flat()])).toEqual([
      ["forge/make", ["fresh"]],
      ["wren/check", ["old", "child", "grand", "second"]],
    ]);
  });
});

describe("trees", () => {
  it("keep what has lost its parent", () => {
    const orphan = made("orphan", 20, 30, { root: "gone", parent: "gone" });
    expect(inOrder([orphan, made("a", 0, 10)]).map((info) => info.id)).toEqual(["orphan", "a"]);
    expect(forest([orphan])).toHaveLength(1);
  });
});

describe("the span", () => {
  it("shows what a part of lies in it", () => {
    const all = [
      made("before", 0, 10),
      made("over", 5, 500),
      made("open", 20, undefined),
      made("after", 900, 950),
    ];
    expect(within(all, { from: 100, to: 800 }, 1000).map((info) => info.id)).toEqual(["over", "open"]);
  });

  it("is marked at round times, few of them", () => {
    expect(ticks({ from: 500, to: 10_500 }, 6, 0)).toEqual([2000, 4000, 6000, 8000, 10_000]);
    expect(ticks({ from: 0, to: 86_400_000 * 40 }, 6, 0).length).toBeLessThanOrEqual(6);
    const half = 1_800_000;
    expect(ticks({ from: 0, to: 7_200_000 }, 3, half)).toEqual([half, half + 3_600_000]);
  });
});
