/** A dispatch and everything below it, drawn: each on what it was made for. */
import { hierarchy, tree as tidy } from "d3-hierarchy";
import { useRef } from "preact/hooks";
import { DispatchMark } from "../../ui/mark";
import type { DispatchInfo } from "../../wire/frames";
import { type TreeNode, forest } from "./lanes";
import { current, took } from "./words";

const WIDE = 156;
const HIGH = 44;
const GAP_X = 20;
const GAP_Y = 8;

interface Placed {
  info: DispatchInfo;
  x: number;
  y: number;
  parent: Placed | undefined;
  children: Placed[];
}

/** From the left to the right, in the order of the drawing from the top. */
export function place(roots: readonly TreeNode[]): { all: Placed[]; width: number; height: number } {
  const top: { info?: DispatchInfo; children: readonly TreeNode[] } = { children: roots };
  const arranged = tidy<typeof top>()
    .nodeSize([HIGH + GAP_Y, WIDE + GAP_X])
    .separation(() => 1)(hierarchy(top, (node) => node.children));
  const made = new Map<unknown, Placed>();
  const all: Placed[] = [];
  arranged.each((node) => {
    const { info } = node.data;
    if (!info) return;
    const parent = made.get(node.parent);
    const placed: Placed = { info, x: (node.depth - 1) * (WIDE + GAP_X), y: node.x, parent, children: [] };
    parent?.children.push(placed);
    made.set(node, placed);
    all.push(placed);
  });
  const first = Math.min(...all.map(({ y }) => y));
  for (const placed of all) placed.y -= first;
  all.sort((a, b) => a.y - b.y || a.x - b.x);
  return {
    all,
    width: Math.max(...all.map(({ x }) => x)) + WIDE,
    height: Math.max(...all.map(({ y }) => y)) + HIGH,
  };
}

interface Props {
  members: readonly DispatchInfo[];
  chosen: string;
  onOpen: (id: string) => void;
}

export function DispatchTree({ members, chosen, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const { all, width, height } = place(forest(members));
  const focus = (placed: Placed | undefined) => {
    if (placed) box.current?.querySelector<HTMLElement>(`[data-id="${placed.info.id}"]`)?.focus();
  };
  const key = (event: KeyboardEvent, placed: Placed, at: number) => {
    const to: Record<string, Placed | undefined> = {
      ArrowLeft: placed.parent,
      ArrowRight: placed.children[0],
      ArrowUp: all[at - 1],
      ArrowDown: all[at + 1],
      Home: all[0],
      End: all.at(-1),
    };
    if (event.key === "Enter" || event.key === " ") onOpen(placed.info.id);
    else if (event.key in to) focus(to[event.key]);
    else return;
    event.preventDefault();
  };
  return (
    <div class="tree" ref={box}>
      <div class="tree-sheet" role="tree" aria-label="The tree of this dispatch" style={{ width, height }}>
        <svg class="tree-lines" width={width} height={height} aria-hidden="true">
          {all.map(
            ({ info, parent, x, y }) =>
              parent && (
                <path
                  key={info.id}
                  d={`M${parent.x + WIDE} ${parent.y + HIGH / 2}h${GAP_X / 2}V${y + HIGH / 2}H${x}`}
                />
              ),
          )}
        </svg>
        {all.map((placed, at) => {
          const { info, x, y } = placed;
          return (
            <div
              key={info.id}
              role="treeitem"
              data-id={info.id}
              aria-level={info.depth}
              aria-selected={info.id === chosen}
              aria-label={`${info.hand}, ${info.state.replace("_", " ")}, ${took(info, current())}`}
              tabIndex={info.id === chosen ? 0 : -1}
              class={info.id === chosen ? "tree-node tree-chosen" : "tree-node"}
              style={{ left: x, top: y, width: WIDE, height: HIGH }}
              onClick={() => onOpen(info.id)}
              onKeyDown={(event) => key(event, placed, at)}
            >
              <span class="tree-name mono">{info.hand}</span>
              <span class="tree-state">
                <DispatchMark state={info.state} />
                <span class="quiet number">{took(info, current())}</span>
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
