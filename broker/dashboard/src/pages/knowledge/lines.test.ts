import { describe, expect, it } from "vitest";
import { compare } from "./lines";

const flat = (before: string, after: string) =>
  compare(before, after).map((line) =>
    line.kind === "folded"
      ? `… ${line.count}`
      : `${line.kind} ${line.old ?? "-"} ${line.new ?? "-"} ${line.parts.map((it) => (it.changed ? `[${it.text}]` : it.text)).join("")}`,
  );

describe("compare", () => {
  it("numbers both sides and marks the words that changed", () => {
    expect(flat("one\ntwo old\nthree\n", "one\ntwo new\nthree\nfour\n")).toEqual([
      "same 1 1 one",
      "removed 2 - two [old]",
      "added - 2 two [new]",
      "same 3 3 three",
      "added - 4 four",
    ]);
  });

  it("folds what is far from a change", () => {
    const many = Array.from({ length: 20 }, (_, at) => `line ${at}`).join("\n");
    expect(flat(many, `${many}\nend`)).toEqual(
      [
        "… 16",
        "same 17 17 line 16",
        "same 18 18 line 17",
        "same 19 19 line 18",
        "removed 20 - line 19",
        "added - 20 line 19",
        "added - 21 [end]",
      ].map((it) => it),
    );
  });

  it("says nothing of equal texts but that they are", () => {
    expect(flat("a\nb", "a\nb")).toEqual(["… 2"]);
    expect(flat("", "a")).toEqual(["added - 1 a"]);
    expect(flat("", "")).toEqual([]);
  });

  it("keeps empty lines", () => {
    expect(flat("a\n\nb\n", "a\n\nc\n")).toEqual([
      "same 1 1 a",
      "same 2 2 ",
      "removed 3 - [b]",
      "added - 3 [c]",
    ]);
  });
});
