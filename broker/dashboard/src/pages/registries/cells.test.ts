import { describe, expect, it } from "vitest";
import type { RegistryField } from "../../wire/frames";
import { changes, clashes, columnsOf, isLong, read, show, typed } from "./cells";

const field = (type: RegistryField["type"], more: Partial<RegistryField> = {}): RegistryField => ({
  name: "it",
  type,
  ...more,
});

describe("what is typed into a cell", () => {
  it("is read by the field's type", () => {
    expect(read(field("string"), " two words ")).toBe(" two words ");
    expect(read(field("integer"), "-12")).toBe(-12);
    expect(read(field("number"), "12.5")).toBe(12.5);
    expect(read(field("boolean"), "false")).toBe(false);
    expect(read(field("date"), " 2026-11-26 ")).toBe("2026-11-26");
    expect(read(field("json"), '{"a": [1]}')).toEqual({ a: [1] });
  });

  it("takes the value away when it is nothing", () => {
    expect(read(field("string"), "")).toBeNull();
    expect(read(field("number"), " ")).toBeNull();
    expect(read(field("json"), "null")).toBeNull();
  });

  it("is one of the values there may be, with its own type", () => {
    expect(read(field("integer", { enum: [1, 2] }), "2")).toBe(2);
    expect(read(field("string", { enum: ["1", "2"] }), "2")).toBe("2");
  });

  it("is refused when it cannot be meant", () => {
    expect(() => read(field("number"), "many")).toThrow("“many” is no number");
    expect(() => read(field("integer"), "1.5")).toThrow("“1.5” is no whole number");
    expect(() => read(field("integer"), "9007199254740993")).toThrow("no whole number");
    expect(() => read(field("json"), "{")).toThrow("This is no JSON");
  });
});

describe("what a cell says", () => {
  it("is one line", () => {
    expect(show("lead")).toBe("lead");
    expect(show(0)).toBe("0");
    expect(show(false)).toBe("false");
    expect(show({ a: [1] })).toBe('{"a":[1]}');
    expect(show(undefined)).toBe("");
  });

  it("stands as it was where it is typed", () => {
    for (const [type, value] of [
      ["string", "a\nb"],
      ["integer", 7],
      ["boolean", true],
      ["json", { a: 1 }],
    ] as const)
      expect(read(field(type), typed(field(type), value))).toEqual(value);
  });

  it("is written elsewhere when it is long", () => {
    expect(isLong(field("string"), "short")).toBe(false);
    expect(isLong(field("string"), "two\nlines")).toBe(true);
    expect(isLong(field("json"), 1)).toBe(true);
  });
});

describe("two versions of a row", () => {
  it("differ by field, a number from its text, too", () => {
    expect(changes({ a: 1, b: "x" }, { a: "1", b: "x", c: true })).toEqual([
      { field: "a", before: 1, after: "1" },
      { field: "c", before: undefined, after: true },
    ]);
    expect(changes(undefined, { a: 1 })).toEqual([{ field: "a", before: undefined, after: 1 }]);
  });

  it("clash where I write and where they have written", () => {
    expect(clashes({ state: "lead", hours: 1 }, { state: "active" }, { state: "gone", hours: 2 })).toEqual([
      { field: "state", before: "lead", mine: "active", theirs: "gone" },
      { field: "hours", before: 1, theirs: 2 },
    ]);
  });

  it("have the key first", () => {
    const fields = [field("string", { name: "mail" }), field("string", { name: "id" })];
    expect(columnsOf({ name: "r", key: "id", fields }).map(({ name }) => name)).toEqual(["id", "mail"]);
  });
});
