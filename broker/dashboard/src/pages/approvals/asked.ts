/** What a tool would do, as far as its arguments show it: a change to a text as a diff. Pure. */
import { changes } from "../../ui/changes";
import type { ApprovalInfo, ApprovalState } from "../../wire/frames";

export interface Change {
  path: string;
  /** Unified; empty for an edit that changes nothing. */
  diff: string;
}

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Absent for tools that change no text, and where the arguments are not what such a tool takes. */
export function changeOf(tool: string, text: string): Change | undefined {
  const args = parsed(text);
  if (!isFields(args) || typeof args.path !== "string") return undefined;
  if (tool === "write_file" && typeof args.content === "string") {
    return { path: args.path, diff: pieces("", args.content) };
  }
  if (tool !== "edit_file" || !Array.isArray(args.edits)) return undefined;
  const parts: string[] = [];
  for (const edit of args.edits as unknown[]) {
    if (!isFields(edit) || typeof edit.old_text !== "string" || typeof edit.new_text !== "string")
      return undefined;
    const many = edit.replace_all === true ? "@@ wherever it stands @@\n" : "";
    parts.push(many + pieces(edit.old_text, edit.new_text));
  }
  return { path: args.path, diff: parts.join("\n") };
}

/** Texts that are a part of a file: where they stand in it is not known here, nor what follows them. */
const pieces = (before: string, after: string) =>
  changes(before, after)
    .replaceAll(/^@@ -.* @@$/gm, "@@")
    .replaceAll(/\n\\ No newline at end of file$/gm, "");

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The command that would run, where that is what is asked. */
export function commandOf(tool: string, text: string): string | undefined {
  const args = parsed(text);
  return tool === "run_command" && isFields(args) && typeof args.command === "string"
    ? args.command
    : undefined;
}

export const titleOf = ({ asked }: ApprovalInfo): string =>
  asked.type === "tool" ? `${asked.tool} ${asked.summary}` : asked.question;

export type Wanted = "approved" | "denied" | "answered";

/**
 * What to say to somebody who answered, if theirs was not the answer that counts: it is told by the first one. `mine` is
 * the text they gave with it.
 */
export function tooLate(info: ApprovalInfo, wanted: Wanted, me: string, mine: string): string | undefined {
  const same = info.state === wanted && info.by === me && (info.text ?? "") === mine;
  if (same) return undefined;
  switch (info.state) {
    case "open":
      return undefined;
    case "expired":
      return "Nobody answered in time: it had expired before.";
    case "withdrawn":
      return "It was withdrawn before: nobody waits for it any more.";
    case "approved":
    case "denied":
    case "answered": {
      const who = info.by === me ? "You, elsewhere," : (info.by ?? "Somebody");
      return `${who} ${WORDS[info.state]} it first${info.text === undefined ? "" : `: ${info.text}`}`;
    }
  }
}

export const WORDS: Record<ApprovalState, string> = {
  open: "open",
  approved: "approved",
  denied: "denied",
  answered: "answered",
  expired: "expired",
  withdrawn: "withdrawn",
};
