/** Where files of a workspace come from, in words; and the files in order of what wants to be seen. Pure. */
import type { Tone } from "../../ui/mark";
import type { WorkspaceFile, WorkspaceOrigin } from "../../wire/http";

export const toneOf: Record<WorkspaceOrigin, Tone> = {
  framework: "offline",
  workspace: "online",
  replaced: "busy",
  patched: "busy",
  hidden: "stalled",
};

export type Show = "" | "own" | "faults" | "skills";

/** The fields of an input as its schema has them, with `?` behind those that may be left out. */
export function inputOf(schema: unknown): string {
  const { properties = {}, required = [] } = (schema ?? {}) as { properties?: object; required?: string[] };
  return Object.keys(properties)
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(", ");
}

/** Whether a file belongs to what is looked at, and has the words that are searched in its path. */
export function isShown(file: WorkspaceFile, show: Show, words: string): boolean {
  if (show === "own" && file.origin === "framework") return false;
  if (show === "faults" && file.fault === undefined) return false;
  const path = file.path.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => path.includes(word));
}

/** How many come from where, for those there are any of. */
export function counts(files: readonly WorkspaceFile[]): { origin: WorkspaceOrigin; count: number }[] {
  const all = Object.keys(toneOf) as WorkspaceOrigin[];
  return all
    .map((origin) => ({ origin, count: files.filter((file) => file.origin === origin).length }))
    .filter(({ count }) => count > 0);
}
