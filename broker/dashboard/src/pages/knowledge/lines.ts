/** What changed between two texts, line by line, with the words that changed within lines that were replaced. */
import { diffLines, diffWordsWithSpace } from "diff";

export interface Part {
  text: string;
  /** Differs within its line. */
  changed: boolean;
}

export type Line =
  | { kind: "same" | "added" | "removed"; old: number | undefined; new: number | undefined; parts: Part[] }
  /** Lines that are the same on both sides and far from any change. */
  | { kind: "folded"; count: number };

/** Lines that are shown around a change. */
const AROUND = 3;
/** Words are compared in blocks up to this size; a rewritten page is no help word by word. */
const WORDS_MAX = 20_000;

const linesOf = (text: string) => {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
};

const plain = (text: string): Part[] => [{ text, changed: false }];

export function compare(before: string, after: string): Line[] {
  const changes = diffLines(before, after);
  const all: Line[] = [];
  let [old, next] = [1, 1];
  for (let at = 0; at < changes.length; at += 1) {
    const change = changes[at];
    if (!change) continue;
    const following = changes[at + 1];
    if (change.removed && following?.added) {
      const [gone, come] = words(change.value, following.value);
      for (const parts of gone) all.push({ kind: "removed", old: old++, new: undefined, parts });
      for (const parts of come) all.push({ kind: "added", old: undefined, new: next++, parts });
      at += 1;
      continue;
    }
    for (const line of linesOf(change.value)) {
      if (change.added) all.push({ kind: "added", old: undefined, new: next++, parts: plain(line) });
      else if (change.removed) all.push({ kind: "removed", old: old++, new: undefined, parts: plain(line) });
      else all.push({ kind: "same", old: old++, new: next++, parts: plain(line) });
    }
  }
  return folded(all);
}

/** Both sides of a replaced block as lines of parts. */
function words(before: string, after: string): [Part[][], Part[][]] {
  if (before.length + after.length > WORDS_MAX) {
    return [linesOf(before).map(plain), linesOf(after).map(plain)];
  }
  const sides: [Part[], Part[]] = [[], []];
  for (const { value, added, removed } of diffWordsWithSpace(before, after)) {
    if (!added) sides[0].push({ text: value, changed: removed });
    if (!removed) sides[1].push({ text: value, changed: added });
  }
  return [broken(sides[0]), broken(sides[1])];
}

/** Breaks parts where their lines end. */
function broken(parts: readonly Part[]): Part[][] {
  const lines: Part[][] = [[]];
  for (const { text, changed } of parts) {
    for (const [at, piece] of text.split("\n").entries()) {
      if (at > 0) lines.push([]);
      if (piece !== "") lines.at(-1)?.push({ text: piece, changed });
    }
  }
  if (lines.at(-1)?.length === 0) lines.pop();
  return lines;
}

function folded(all: readonly Line[]): Line[] {
  const near = (at: number) =>
    all.slice(Math.max(0, at - AROUND), at + AROUND + 1).some((line) => line.kind !== "same");
  const shown: Line[] = [];
  for (const [at, line] of all.entries()) {
    if (line.kind !== "same" || near(at)) {
      shown.push(line);
      continue;
    }
    const last = shown.at(-1);
    if (last?.kind === "folded") last.count += 1;
    else shown.push({ kind: "folded", count: 1 });
  }
  return shown;
}
