import { describe, expect, it } from "vitest";
import type { ApprovalInfo } from "../../wire/frames";
import { changeOf, commandOf, tooLate } from "./asked";

const text = (value: unknown) => JSON.stringify(value, null, 2);

describe("what a tool would change", () => {
  it("is shown for edits, without lines nobody knows the numbers of", () => {
    const edits = [
      { old_text: "Dear Sir", new_text: "Dear Madam" },
      { old_text: "a\nb", new_text: "a\nc", replace_all: true },
    ];
    expect(changeOf("edit_file", text({ path: "work/a.txt", edits }))).toEqual({
      path: "work/a.txt",
      diff: ["@@", "-Dear Sir", "+Dear Madam", "@@ wherever it stands @@", "@@", " a", "-b", "+c"].join("\n"),
    });
  });

  it("is all of a file that is written", () => {
    expect(changeOf("write_file", text({ path: "work/a", content: "x\ny\n" }))).toEqual({
      path: "work/a",
      diff: "@@\n+x\n+y",
    });
  });

  it("is not guessed where the arguments are cut or of another shape", () => {
    expect(changeOf("edit_file", '{"path": "a", "edits": [ … 90000 bytes in all')).toBeUndefined();
    expect(changeOf("edit_file", text({ path: "a", edits: ["x"] }))).toBeUndefined();
    expect(changeOf("fetch_url", text({ path: "a", content: "x" }))).toBeUndefined();
    expect(commandOf("run_command", text({ command: "ls -l" }))).toBe("ls -l");
    expect(commandOf("fetch_url", text({ command: "ls -l" }))).toBeUndefined();
  });
});

describe("an answer that came too late", () => {
  const info = (more: Partial<ApprovalInfo>): ApprovalInfo => ({
    id: "a",
    aspect: "clerk",
    asked: { type: "question", question: "?" },
    state: "approved",
    asked_at: 0,
    expires_at: 9,
    by: "operator/ana",
    ...more,
  });

  it("says who was first", () => {
    expect(tooLate(info({}), "approved", "operator/ana", "")).toBeUndefined();
    expect(tooLate(info({}), "denied", "operator/bo", "")).toBe("operator/ana approved it first");
    expect(tooLate(info({}), "approved", "operator/bo", "")).toBe("operator/ana approved it first");
    expect(tooLate(info({}), "denied", "operator/ana", "")).toBe("You, elsewhere, approved it first");
    expect(tooLate(info({ state: "answered", text: "red" }), "answered", "operator/ana", "blue")).toBe(
      "You, elsewhere, answered it first: red",
    );
    expect(tooLate(info({ state: "withdrawn" }), "approved", "operator/ana", "")).toBe(
      "It was withdrawn before: nobody waits for it any more.",
    );
  });
});
