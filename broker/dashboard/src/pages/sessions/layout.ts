/** Where each dot of a session's tree stands. Pure: in columns and rows, which the page turns into pixels. */
import { hierarchy, tree as tidy } from "d3-hierarchy";
import type { Drawn } from "./folds";

export interface Placed {
  drawn: Drawn;
  /** From the left edge, in columns; may lie between two. */
  column: number;
  row: number;
  parent: Placed | undefined;
  /** In the order of the drawing, for the arrow keys. */
  children: Placed[];
}

export interface Layout {
  /** Row by row, from the left. */
  all: readonly Placed[];
  byKey: ReadonlyMap<string, Placed>;
  columns: number;
  rows: number;
}

const ROOT: Drawn = { key: "", entries: [], folded: false, active: false, children: [] };

export function layout(roots: readonly Drawn[]): Layout {
  if (roots.length === 0) return { all: [], byKey: new Map(), columns: 0, rows: 0 };
  const arranged = tidy<Drawn>()
    .nodeSize([1, 1])
    .separation(() => 1)(hierarchy({ ...ROOT, children: [...roots] }, (drawn) => drawn.children));
  const byKey = new Map<string, Placed>();
  let left = Infinity;
  let right = -Infinity;
  let rows = 0;
  arranged.each(({ x, depth }) => {
    if (depth === 0) return;
    left = Math.min(left, x);
    right = Math.max(right, x);
    rows = Math.max(rows, depth);
  });
  // Row by row, so a parent is placed before its children.
  arranged.each(({ x, depth, data, parent }) => {
    if (depth === 0) return;
    const above = parent === null ? undefined : byKey.get(parent.data.key);
    const placed: Placed = { drawn: data, column: x - left, row: depth - 1, parent: above, children: [] };
    above?.children.push(placed);
    byKey.set(data.key, placed);
  });
  return { all: [...byKey.values()], byKey, columns: right - left + 1, rows };
}

/** The dots within a window of rows and columns, with what their lines come from. */
export function inView({ all }: Layout, from: number, to: number): Placed[] {
  return all.slice(firstFrom(all, from), firstFrom(all, to));
}

/** Where the rows from `row` on begin: they stand in order. */
function firstFrom(all: readonly Placed[], row: number): number {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((all[middle]?.row ?? Infinity) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

export type Direction = "up" | "down" | "left" | "right";

/** Where an arrow key leads: along the branch, and from one branch to the next in the same row. */
export function neighbour(layout: Layout, from: Placed, to: Direction): Placed | undefined {
  if (to === "up") return from.parent;
  if (to === "down") return from.children.find((child) => child.drawn.active) ?? from.children[0];
  const row = inView(layout, from.row, from.row + 1);
  return row[row.indexOf(from) + (to === "left" ? -1 : 1)];
}
