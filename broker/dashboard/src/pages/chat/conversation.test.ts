import { beforeAll, expect, test, vi } from "vitest";
import type { Message } from "../../wire/frames";

let chat: typeof import("./conversation");
beforeAll(async () => {
  vi.stubGlobal("window", { location: { protocol: "http:", host: "here" } });
  chat = await import("./conversation");
});

const message = (seq: number): Message => ({
  id: `m${seq}`,
  seq,
  thread: "th",
  from: "wren",
  to: [],
  content: "",
  at: seq,
});

test("pages and the log meet in one order, each message once", () => {
  const newer = { ...message(2), content: "newer" };
  expect(chat.merged([message(2), message(3)], [message(1), newer])).toEqual([message(1), newer, message(3)]);
});

test("a reaction comes once for each party, and goes", () => {
  const about = { thread: "th", message: "m1", emoji: "👍" };
  const one = chat.withReaction(message(1), { ...about, by: "wren" });
  const two = chat.withReaction(chat.withReaction(one, { ...about, by: "operator/ana" }), {
    ...about,
    by: "wren",
  });
  expect(two.reactions).toEqual([{ emoji: "👍", by: ["operator/ana", "wren"] }]);
  const gone = chat.withReaction(chat.withReaction(two, { ...about, by: "wren", removed: true }), {
    ...about,
    by: "operator/ana",
    removed: true,
  });
  expect(gone.reactions).toEqual([]);
});
