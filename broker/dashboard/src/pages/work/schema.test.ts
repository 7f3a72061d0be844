import { describe, expect, it } from "vitest";
import { faults, skeleton } from "./schema";

const schema = {
  type: "object",
  required: ["claim", "line"],
  additionalProperties: false,
  properties: {
    claim: { type: "string", minLength: 1 },
    line: { type: "integer", minimum: 1 },
    tone: { enum: ["calm", "loud"] },
    tags: { type: "array", items: { type: "string" } },
  },
};

describe("an input", () => {
  it("begins with what it needs", () => {
    expect(skeleton(schema)).toEqual({ claim: "", line: 1 });
    expect([skeleton(undefined), skeleton({ type: "array" }), skeleton({ enum: ["a"] })]).toEqual([
      {},
      [],
      "a",
    ]);
  });

  it("is told what is against it, and where", () => {
    expect(faults(schema, { claim: "", tone: "shrill", tags: ["a", 1], more: 1 })).toEqual([
      { at: "/line", message: "is missing" },
      { at: "/claim", message: "is empty" },
      { at: "/tone", message: 'has to be one of "calm", "loud"' },
      { at: "/tags/1", message: "has to be string, and is number" },
      { at: "/more", message: "is not known to it" },
    ]);
    expect(faults(schema, [])).toEqual([{ at: "", message: "has to be object, and is array" }]);
    expect(faults({ type: ["integer", "null"] }, 1.5)).toEqual([
      { at: "", message: "has to be integer or null, and is number" },
    ]);
  });

  it("is left alone where nothing is asked", () => {
    expect([faults(schema, { claim: "x", line: 2 }), faults(true, 1), faults(undefined, "x")]).toEqual([
      [],
      [],
      [],
    ]);
  });
});
