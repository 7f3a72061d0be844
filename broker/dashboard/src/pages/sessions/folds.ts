/** The drawn tree of a session: straight runs of entries folded, so that thousands can be looked at. Pure. */
import type { SessionNode } from "../../wire/frames";

/** What is drawn as one dot: an entry, or a run of them that is folded. */
export interface Drawn {
  key: string;
  /** One, or those that are folded. */
  entries: readonly SessionNode[];
  folded: boolean;
  active: boolean;
  children: Drawn[];
}

/** A run of more than this is folded. */
const RUN_MAX = 24;
/** What stays to be seen at the two ends of a run. */
const KEPT_FIRST = 2;
const KEPT_LAST = 12;
/** A fold that was opened and is longer than that shows smaller folds. */
const FOLD_MAX = 120;

/** A rewind is a note about the head; nothing hangs on it, and it is nobody's branch. */
const isNote = (node: SessionNode) => node.kind === "custom.head";
/** What somebody looks for stays to be seen. */
const isLandmark = (node: SessionNode) => node.kind === "compaction" || node.kind === "branch_summary";

export interface Tree {
  /** Without notes, in the order of the file. */
  nodes: readonly SessionNode[];
  byId: ReadonlyMap<string, SessionNode>;
  children: ReadonlyMap<string, readonly SessionNode[]>;
  roots: readonly SessionNode[];
  head: string | undefined;
  active: ReadonlySet<string>;
}

export function treeOf(all: readonly SessionNode[], head: string | undefined): Tree {
  const nodes = all.filter((node) => !isNote(node));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, SessionNode[]>();
  const roots: SessionNode[] = [];
  for (const node of nodes) {
    const parent = node.parent !== undefined && byId.has(node.parent) ? node.parent : undefined;
    if (parent === undefined) roots.push(node);
    else children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const active = new Set<string>();
  for (let at = head; at !== undefined && !active.has(at); at = byId.get(at)?.parent) active.add(at);
  return { nodes, byId, children, roots, head, active };
}

/** The last entry of the branch that goes on from `id`, by the first child each time; of the active one where there is one. */
export function leafOf(tree: Tree, id: string): string {
  let at = id;
  for (;;) {
    const below = tree.children.get(at) ?? [];
    const next = below.find((node) => tree.active.has(node.id)) ?? below[0];
    if (next === undefined) return at;
    at = next.id;
  }
}

/**
 * What is drawn. `open` are the keys of folds that were opened; entries of `shown` are never folded away: those
 * somebody has chosen.
 */
export function drawn(tree: Tree, open: ReadonlySet<string>, shown: ReadonlySet<string>): Drawn[] {
  const roots: Drawn[] = [];
  const work: { node: SessionNode; into: Drawn[] }[] = tree.roots
    .toReversed()
    .map((node) => ({ node, into: roots }));
  for (let next = work.pop(); next; next = work.pop()) {
    const run = runFrom(tree, next.node);
    const last = run.at(-1) ?? next.node;
    const bottom = chain(pieces(run, tree, open, shown), tree, next.into);
    const below = tree.children.get(last.id) ?? [];
    for (const node of below.toReversed()) work.push({ node, into: bottom });
  }
  return roots;
}

/** The entries from `node` down to where the tree parts or ends. */
function runFrom(tree: Tree, node: SessionNode): SessionNode[] {
  const run = [node];
  for (let at = node; ;) {
    const below = tree.children.get(at.id) ?? [];
    const [only] = below;
    if (only === undefined || below.length > 1) return run;
    run.push(only);
    at = only;
  }
}

interface Piece {
  entries: SessionNode[];
  folded: boolean;
}

function pieces(
  run: SessionNode[],
  tree: Tree,
  open: ReadonlySet<string>,
  shown: ReadonlySet<string>,
): Piece[] {
  if (run.length <= RUN_MAX) return run.map(single);
  const stays = (node: SessionNode) => isLandmark(node) || shown.has(node.id) || node.id === tree.head;
  const out: Piece[] = [];
  let away: SessionNode[] = [];
  const flush = () => {
    out.push(...foldsOf(away, open));
    away = [];
  };
  run.forEach((node, at) => {
    if (at >= KEPT_FIRST && at < run.length - KEPT_LAST && !stays(node)) {
      away.push(node);
      return;
    }
    flush();
    out.push(single(node));
  });
  flush();
  return out;
}

function foldsOf(away: SessionNode[], open: ReadonlySet<string>): Piece[] {
  if (away.length <= 1) return away.map(single);
  if (!open.has(keyOf(away))) return [{ entries: away, folded: true }];
  if (away.length <= FOLD_MAX) return away.map(single);
  const out: Piece[] = [];
  for (let from = 0; from < away.length; from += FOLD_MAX) {
    const part = away.slice(from, from + FOLD_MAX);
    out.push(...(open.has(keyOf(part)) ? part.map(single) : [{ entries: part, folded: true }]));
  }
  return out;
}

const single = (node: SessionNode): Piece => ({ entries: [node], folded: false });

/** An entry's key is its id; a fold's says what is in it, so that it stays open when others come after it. */
function keyOf(entries: readonly SessionNode[]): string {
  const first = entries[0]?.id ?? "";
  return entries.length === 1 ? first : `${first}+${entries.length}`;
}

/** Hangs the pieces on one another; gives back where what follows hangs. */
function chain(parts: readonly Piece[], tree: Tree, into: Drawn[]): Drawn[] {
  let at = into;
  for (const { entries, folded } of parts) {
    const active = entries.some((node) => tree.active.has(node.id));
    const made: Drawn = { key: keyOf(entries), entries, folded, active, children: [] };
    at.push(made);
    at = made.children;
  }
  return at;
}
