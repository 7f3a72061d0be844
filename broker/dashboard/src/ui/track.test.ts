import { describe, expect, it } from "vitest";
import { along } from "./track";

describe("a track", () => {
  it("draws a stretch of time within the whole and nowhere else", () => {
    expect(along(0, 100, 25, 75)).toEqual({ at: 25, wide: 50 });
    expect(along(0, 100, -50, 10)).toEqual({ at: 0, wide: 10 });
    expect(along(0, 100, 90, 400)).toEqual({ at: 90, wide: 10 });
    expect(along(5, 5, 5, 5)).toEqual({ at: 0, wide: 0 });
  });
});
