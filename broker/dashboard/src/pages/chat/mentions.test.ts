import { expect, test } from "vitest";
import { candidates, complete, openMention } from "./mentions";

test("a mention is open where a word begins with @ at the caret", () => {
  const at = (text: string) => openMention(text, text.length);
  expect(at("@")).toEqual({ from: 0, typed: "" });
  expect(at("ask @wr")).toEqual({ from: 4, typed: "wr" });
  expect(at("(@Wren")).toEqual({ from: 1, typed: "Wren" });
  expect([at("mail a@b"), at("ask @wren "), at("wren")]).toEqual([undefined, undefined, undefined]);
  expect(openMention("ask @wr now", 7)).toEqual({ from: 4, typed: "wr" });
});

test("names that begin with it come first", () => {
  expect(candidates(["all", "forge", "wren", "arwen"], "w")).toEqual(["wren", "arwen"]);
  expect(candidates(["all", "forge"], "")).toEqual(["all", "forge"]);
  expect(candidates(["forge"], "FO")).toEqual(["forge"]);
});

test("it is put in whole, with a space behind it", () => {
  expect(complete("ask @wr", 7, { from: 4, typed: "wr" }, "wren")).toEqual({ text: "ask @wren ", caret: 10 });
  expect(complete("ask @wr now", 7, { from: 4, typed: "wr" }, "wren")).toEqual({
    text: "ask @wren now",
    caret: 10,
  });
});
