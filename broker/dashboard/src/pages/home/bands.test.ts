import { describe, expect, it } from "vitest";
import type { HomeWidget } from "../../wire/http";
import { bandsOf } from "./bands";

const part = (kind: HomeWidget["kind"], width: HomeWidget["width"] = "wide"): HomeWidget => ({ kind, width });
const places = (widgets: readonly HomeWidget[]) =>
  bandsOf(widgets).map(({ full, wide, narrow }) => ({
    full,
    wide: wide.map((cell) => cell.map(({ at }) => at)),
    narrow: narrow.map((cell) => cell.map(({ at }) => at)),
  }));

describe("the home page", () => {
  it("has two columns until a part has it for itself", () => {
    const all = [
      part("table"),
      part("agents", "narrow"),
      part("table"),
      part("markdown", "full"),
      part("chart", "full"),
      part("chat", "narrow"),
    ];
    expect(places(all)).toEqual([
      { full: false, wide: [[0], [2]], narrow: [[1]] },
      { full: true, wide: [[3], [4]], narrow: [] },
      { full: false, wide: [], narrow: [[5]] },
    ]);
  });

  it("has numbers that follow each other side by side, in each column for itself", () => {
    const all = [part("stat"), part("stat", "narrow"), part("stat"), part("table"), part("stat")];
    expect(places(all)).toEqual([{ full: false, wide: [[0, 2], [3], [4]], narrow: [[1]] }]);
  });

  it("is empty when there is no part", () => {
    expect(bandsOf([])).toEqual([]);
  });
});
