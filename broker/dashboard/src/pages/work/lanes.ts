/** The timeline: which bars stand in which row, and where on the axis. Pure; drawn by `timeline.tsx`. */
import { hierarchy } from "d3-hierarchy";
import type { DispatchInfo } from "../../wire/frames";

export type GroupBy = "hand" | "root";

export interface Group {
  /** The Hand, or the root's id. */
  key: string;
  label: string;
  rows: DispatchInfo[][];
}

/** From `from` to `to`, in milliseconds. */
export interface Span {
  from: number;
  to: number;
}

const endOf = (info: DispatchInfo, now: number) => info.ended_at ?? Math.max(now, info.accepted_at);

/** Those of which a part lies within the span. */
export function within(all: readonly DispatchInfo[], span: Span, now: number): DispatchInfo[] {
  return all.filter((info) => info.accepted_at < span.to && endOf(info, now) >= span.from);
}

/**
 * By Hand, each in as few rows as possible without one bar on another; by root, one row each in the order of the tree.
 * `gap` is how far apart two bars of a row are, in milliseconds.
 */
export function groups(all: readonly DispatchInfo[], by: GroupBy, now: number, gap: number): Group[] {
  const found = new Map<string, DispatchInfo[]>();
  for (const info of all) {
    const key = by === "hand" ? info.hand : info.root;
    const known = found.get(key);
    if (known) known.push(info);
    else found.set(key, [info]);
  }
  const made = Array.from(found, ([key, members]) => {
    members.sort((a, b) => a.accepted_at - b.accepted_at || (a.id < b.id ? -1 : 1));
    if (by === "hand") return { key, label: key, rows: packed(members, now, gap) };
    const ordered = inOrder(members);
    return { key, label: ordered[0]?.hand ?? key, rows: ordered.map((info) => [info]) };
  });
  const first = (group: Group) => group.rows[0]?.[0]?.accepted_at ?? 0;
  if (by === "hand") return made.sort((a, b) => (a.key < b.key ? -1 : 1));
  return made.sort((a, b) => first(b) - first(a));
}

function packed(members: readonly DispatchInfo[], now: number, gap: number): DispatchInfo[][] {
  const rows: DispatchInfo[][] = [];
  const free: number[] = [];
  for (const info of members) {
    let at = free.findIndex((end) => end + gap <= info.accepted_at);
    if (at === -1) at = rows.push([]) - 1;
    rows[at]?.push(info);
    free[at] = endOf(info, now);
  }
  return rows;
}

export interface TreeNode {
  info: DispatchInfo;
  children: TreeNode[];
}

/** The trees of what is given; a child whose parent is not there stands as a root of its own. */
export function forest(members: readonly DispatchInfo[]): TreeNode[] {
  const nodes = new Map(members.map((info) => [info.id, { info, children: [] as TreeNode[] }]));
  const roots: TreeNode[] = [];
  for (const node of nodes.values()) {
    const parent = node.info.parent === undefined ? undefined : nodes.get(node.info.parent);
    (parent?.children ?? roots).push(node);
  }
  for (const { children } of nodes.values()) children.sort((a, b) => a.info.accepted_at - b.info.accepted_at);
  return roots;
}

/** Parents before their children, each followed by all that is below it. */
export function inOrder(members: readonly DispatchInfo[]): DispatchInfo[] {
  const order: DispatchInfo[] = [];
  for (const root of forest(members)) hierarchy(root).eachBefore((node) => order.push(node.data.info));
  return order;
}

const STEPS_MS = [
  1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
  3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Times to mark on the axis: round ones, at most `most` of them. */
export function ticks({ from, to }: Span, most: number, offsetMs: number): number[] {
  const step =
    STEPS_MS.find((step) => (to - from) / step <= most) ??
    86_400_000 * Math.ceil((to - from) / 86_400_000 / most);
  const out: number[] = [];
  for (let at = Math.ceil((from - offsetMs) / step) * step + offsetMs; at <= to; at += step) out.push(at);
  return out;
}
