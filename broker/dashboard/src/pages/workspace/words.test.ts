import { describe, expect, it } from "vitest";
import type { WorkspaceFile } from "../../wire/http";
import { counts, inputOf, isShown } from "./words";

const files: WorkspaceFile[] = [
  { path: "aspects/wren/NEXUS.md", origin: "framework" },
  { path: "flows/morning.yaml", origin: "replaced", fault: "4:1: there is no step b" },
  { path: "skills/Tidy.md", origin: "workspace" },
  { path: "x.patch.toml", fault: "there is no x" },
];
const shown = (show: "" | "own" | "faults", words = "") =>
  files.filter((file) => isShown(file, show, words)).map(({ path }) => path);

describe("the input of a skill", () => {
  it("is named field by field, those that may be left out with a question mark", () => {
    expect(inputOf({ required: ["a"], properties: { a: {}, b: { type: "string" } } })).toBe("a, b?");
    expect(inputOf({ type: "object" })).toBe("");
    expect(inputOf(undefined)).toBe("");
    expect(inputOf(true)).toBe("");
  });
});

describe("files of a workspace", () => {
  it("are all, the workspace's own, or those with a fault", () => {
    expect(shown("")).toHaveLength(4);
    expect(shown("own")).toEqual(["flows/morning.yaml", "skills/Tidy.md", "x.patch.toml"]);
    expect(shown("faults")).toEqual(["flows/morning.yaml", "x.patch.toml"]);
  });

  it("are found by words of their path", () => {
    expect(shown("", "md tidy")).toEqual(["skills/Tidy.md"]);
    expect(shown("own", "wren")).toEqual([]);
  });

  it("are counted by where they come from", () => {
    expect(counts(files)).toEqual([
      { origin: "framework", count: 1 },
      { origin: "workspace", count: 1 },
      { origin: "replaced", count: 1 },
    ]);
  });
});
