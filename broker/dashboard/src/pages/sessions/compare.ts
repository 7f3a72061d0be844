/** Two branches since they parted, put side by side: what both say the same stands in one line. Pure. */
import { diffArrays } from "diff";
import type { SessionNode } from "../../wire/frames";

export interface Row {
  one: SessionNode | undefined;
  other: SessionNode | undefined;
  /** Both are there and say the same. */
  same: boolean;
}

const says = (node: SessionNode) => `${node.kind}\n${node.summary}`;

export function rows(one: readonly SessionNode[], other: readonly SessionNode[]): Row[] {
  const parts = diffArrays([...one], [...other], { comparator: (a, b) => says(a) === says(b) });
  const out: Row[] = [];
  let at = { one: 0, other: 0 };
  let removed: SessionNode[] = [];
  const take = (count: number, from: "one" | "other") => {
    const list = from === "one" ? one : other;
    const taken = list.slice(at[from], at[from] + count);
    at = { ...at, [from]: at[from] + count };
    return taken;
  };
  const flush = (added: readonly SessionNode[]) => {
    for (let index = 0; index < Math.max(removed.length, added.length); index += 1) {
      out.push({ one: removed[index], other: added[index], same: false });
    }
    removed = [];
  };
  for (const part of parts) {
    const count = part.value.length;
    if (part.removed) removed.push(...take(count, "one"));
    else if (part.added) flush(take(count, "other"));
    else {
      flush([]);
      const both = take(count, "other");
      take(count, "one").forEach((node, index) => out.push({ one: node, other: both[index], same: true }));
    }
  }
  flush([]);
  return out;
}

export interface Line {
  node: SessionNode;
  sign: " " | "-" | "+";
}

/** The same as a unified diff: of what differs, first all of the one, then all of the other. */
export function lines(rows: readonly Row[]): Line[] {
  const out: Line[] = [];
  let added: Line[] = [];
  for (const { one, other, same } of rows) {
    if (same) {
      out.push(...added);
      added = [];
    }
    if (one) out.push({ node: one, sign: same ? " " : "-" });
    if (other && !same) added.push({ node: other, sign: "+" });
  }
  return [...out, ...added];
}
