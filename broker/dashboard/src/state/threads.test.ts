import { beforeAll, expect, test, vi } from "vitest";
import type { Message, ThreadInfo } from "../wire/frames";

// The link is dialled by nobody here; its module asks for a window when it is.
let withMessage: (thread: ThreadInfo, message: Message, reader: string) => ThreadInfo;
beforeAll(async () => {
  vi.stubGlobal("window", { location: { protocol: "http:", host: "here" } });
  ({ withMessage } = await import("./threads"));
});

const thread: ThreadInfo = {
  id: "th",
  title: "a",
  created_at: 1,
  last_at: 1,
  last_seq: 5,
  messages: 2,
  participants: ["operator/ana"],
  paused: true,
  unread: 0,
};
const message = (seq: number, from: string): Message => ({
  id: `m${seq}`,
  seq,
  thread: "th",
  from,
  to: ["wren"],
  content: "",
  at: 9,
});

test("others' messages are unread, one's own make all read, and an operator ends a pause", () => {
  const heard = withMessage(thread, message(6, "wren"), "operator/ana");
  expect(heard).toEqual({
    ...thread,
    last_at: 9,
    last_seq: 6,
    messages: 3,
    participants: ["operator/ana", "wren"],
    unread: 1,
  });
  const said = withMessage(heard, message(7, "operator/ana"), "operator/ana");
  expect([said.unread, said.paused, said.messages]).toEqual([0, false, 4]);
  expect(withMessage(said, message(7, "wren"), "operator/ana")).toBe(said);
});
