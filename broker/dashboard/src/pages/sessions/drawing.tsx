/** The tree of a session, drawn: time goes down, branches stand beside each other. Only what is in view is made. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Drawn } from "./folds";
import { type Direction, type Layout, type Placed, inView, neighbour } from "./layout";

const SCALES = [0.5, 0.75, 1] as const;
const COLUMN = 272;
/** A single branch has room for more of each line. */
const COLUMN_MAX = 640;
const ROW = 32;
const EDGE = 16;
/** So many rows above and below the window are drawn as well. */
const SPARE = 8;

interface Props {
  layout: Layout;
  head: string | undefined;
  chosen: string | undefined;
  marked: string | undefined;
  onOpen: (drawn: Drawn) => void;
}

const ARROWS: Record<string, Direction> = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "left",
  ArrowRight: "right",
};

interface Seen {
  top: number;
  high: number;
  wide: number;
}

export function Drawing({ layout, head, chosen, marked, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState(2);
  const [seen, setSeen] = useState<Seen>({ top: 0, high: 600, wide: 0 });
  const [cursor, setCursor] = useState<string>();
  const scale = SCALES[zoom] ?? 1;
  const row = ROW * scale;
  const room = Math.min(COLUMN_MAX, (seen.wide - 2 * EDGE) / Math.max(layout.columns, 1));
  const column = Math.max(room, COLUMN * (scale < 1 ? scale + 0.1 : 1));
  const x = (placed: Placed) => EDGE + placed.column * column;
  const y = (placed: Placed) => EDGE + placed.row * row;
  const at = layout.byKey.get(cursor ?? "") ?? of(layout, chosen) ?? of(layout, head) ?? layout.all[0];

  const look = () => {
    const view = box.current;
    if (view) setSeen({ top: view.scrollTop, high: view.clientHeight, wide: view.clientWidth });
  };
  useEffect(() => {
    if (!box.current) return undefined;
    const resized = new ResizeObserver(look);
    resized.observe(box.current);
    return () => resized.disconnect();
  }, []);
  const show = (placed: Placed | undefined) => {
    const view = box.current;
    if (!view || !placed) return;
    const [top, left] = [y(placed), x(placed)];
    if (top < view.scrollTop + row || top > view.scrollTop + view.clientHeight - 2 * row) {
      view.scrollTop = top - view.clientHeight / 2;
    }
    if (left < view.scrollLeft || left + column > view.scrollLeft + view.clientWidth) {
      view.scrollLeft = left - EDGE;
    }
  };
  // The head is what one wants to see first; later, where it has moved to.
  useLayoutEffect(() => show(of(layout, chosen) ?? of(layout, head)), [head, zoom, layout.all.length === 0]);
  const move = (placed: Placed | undefined) => {
    if (!placed) return;
    setCursor(placed.drawn.key);
    show(placed);
  };
  const key = (event: KeyboardEvent) => {
    const to = ARROWS[event.key];
    if (to !== undefined) move(at && neighbour(layout, at, to));
    else if (event.key === "Home") move(layout.all[0]);
    else if (event.key === "End") move(of(layout, head) ?? layout.all.at(-1));
    else if (at && (event.key === "Enter" || event.key === " ")) onOpen(at.drawn);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const from = Math.floor(seen.top / row) - SPARE;
  const to = Math.ceil((seen.top + seen.high) / row) + SPARE;
  const drawn = inView(layout, from, to);
  const all = at && !drawn.includes(at) ? [...drawn, at] : drawn;
  const size = { width: layout.columns * column + EDGE, height: layout.rows * row + 2 * EDGE };
  return (
    <div class="drawing">
      <div class="drawing-zoom" role="group" aria-label="Size">
        <button
          type="button"
          class="button button-quiet"
          aria-label="Smaller"
          disabled={zoom === 0}
          onClick={() => setZoom(zoom - 1)}
        >
          −
        </button>
        <button
          type="button"
          class="button button-quiet"
          aria-label="Larger"
          disabled={zoom === 2}
          onClick={() => setZoom(zoom + 1)}
        >
          +
        </button>
      </div>
      <div
        class="drawing-view"
        ref={box}
        role="tree"
        aria-label="The session's tree. Arrow keys move, Enter reads an entry or opens a fold."
        tabIndex={0}
        aria-activedescendant={at && `entry-${at.drawn.key}`}
        onScroll={look}
        onKeyDown={key}
      >
        <div class={`drawing-sheet drawing-zoom-${zoom}`} role="presentation" style={size}>
          <svg class="drawing-lines" width={size.width} height={size.height} aria-hidden="true">
            {all.map(({ drawn, parent, ...placed }) => {
              const me = { drawn, parent, ...placed };
              return (
                parent && (
                  <path
                    key={drawn.key}
                    class={drawn.active ? "line-active" : ""}
                    d={line(x(parent), y(parent), x(me), y(me), row)}
                  />
                )
              );
            })}
          </svg>
          {all.map((placed) => {
            const { drawn } = placed;
            const first = drawn.entries[0];
            const is = (id: string | undefined) => !drawn.folded && first?.id === id;
            return (
              <div
                key={drawn.key}
                id={`entry-${drawn.key}`}
                role="treeitem"
                data-entry={drawn.folded ? undefined : first?.id}
                data-kind={drawn.folded ? "fold" : first?.kind}
                aria-level={placed.row + 1}
                aria-selected={is(chosen)}
                aria-expanded={drawn.folded ? false : undefined}
                aria-label={spoken(drawn, is(head), is(marked))}
                class={classOf(drawn, is(chosen), placed === at)}
                style={{
                  left: x(placed) - 8 * scale,
                  top: y(placed) - row / 2,
                  width: column - 8,
                  height: row,
                }}
                onClick={() => {
                  setCursor(drawn.key);
                  onOpen(drawn);
                }}
              >
                <span class="dot-shape">
                  {drawn.folded ? "⋮" : is(head) ? "◉" : drawn.active ? "●" : "○"}
                </span>
                <span class="dot-text">
                  <Label drawn={drawn} />
                </span>
                {is(marked) && <span class="dot-mark">marked</span>}
                {is(head) && <span class="dot-head">head</span>}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Where an entry stands, if it is not folded away. */
const of = (layout: Layout, entry: string | undefined) =>
  entry === undefined ? undefined : layout.byKey.get(entry);

function line(fromX: number, fromY: number, toX: number, toY: number, row: number): string {
  if (fromX === toX) return `M${fromX} ${fromY}V${toY}`;
  const bend = row / 2;
  return `M${fromX} ${fromY}v${bend - 4}q0 4 ${fromX < toX ? 4 : -4} 4H${toX + (fromX < toX ? -4 : 4)}q${fromX < toX ? 4 : -4} 0 ${fromX < toX ? 4 : -4} 4V${toY}`;
}

function classOf(drawn: Drawn, chosen: boolean, here: boolean): string {
  const kind = drawn.folded ? "fold" : kindOf(drawn.entries[0]?.kind ?? "");
  return `dot dot-${kind}${drawn.active ? " dot-active" : ""}${chosen ? " dot-chosen" : ""}${here ? " dot-here" : ""}`;
}

export function kindOf(kind: string): "user" | "assistant" | "tool" | "summary" | "note" {
  switch (kind) {
    case "turn.user":
      return "user";
    case "turn.assistant":
      return "assistant";
    case "turn.tool_result":
      return "tool";
    case "compaction":
    case "branch_summary":
      return "summary";
    default:
      return "note";
  }
}

const SAYS: Record<ReturnType<typeof kindOf>, string> = {
  user: "user",
  assistant: "agent",
  tool: "tool",
  summary: "summary",
  note: "",
};

function Label({ drawn }: { drawn: Drawn }) {
  const first = drawn.entries[0];
  if (!first) return null;
  if (drawn.folded) return <>{drawn.entries.length} entries</>;
  const who = SAYS[kindOf(first.kind)];
  return (
    <>
      <span class="dot-who">{who === "" ? first.kind.replace(/^custom\./, "") : who}</span> {first.summary}
    </>
  );
}

function spoken(drawn: Drawn, head: boolean, marked: boolean): string {
  const first = drawn.entries[0];
  const branch = drawn.active ? "active branch" : "another branch";
  if (drawn.folded || !first) return `${drawn.entries.length} entries folded, ${branch}`;
  return `${first.kind}: ${first.summary}, ${branch}${head ? ", head" : ""}${marked ? ", marked" : ""}`;
}
