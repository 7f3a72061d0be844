/** The work of the last minutes as bars: queued, at work, waiting, ended. The list below it says the same in words. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { DispatchInfo } from "../../wire/frames";
import { clock, exact } from "../../ui/format";
import { type GroupBy, type Span, groups, ticks, within } from "./lanes";
import { notes, steps } from "./store";
import { type Stretch, hasEnded, stretches } from "./steps";
import { took } from "./words";

interface Props {
  all: readonly DispatchInfo[];
  by: GroupBy;
  /** How far back, in milliseconds. */
  range: number;
  chosen: string | undefined;
  onOpen: (id: string) => void;
}

const HEAD = 20;
const LABEL = 20;
const BAR = 12;
const ROW = 16;
const ROWS_MAX = 60;
/** So much of the width lies after now. */
const AHEAD = 0.03;
const TICK_PX = 90;

/** The time, each second while something is open, and else each quarter of a minute. */
function useNow(live: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), live ? 1_000 : 15_000);
    return () => clearInterval(timer);
  }, [live]);
  return now;
}

function useWidth(): [preact.RefObject<HTMLDivElement>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return undefined;
    const seen = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  return [box, width];
}

export function Timeline({ all, by, range, chosen, onOpen }: Props) {
  const [box, width] = useWidth();
  const live = all.some((info) => !hasEnded(info.state));
  // What ended a moment ago is not ahead of now.
  const now = all.reduce((now, info) => Math.max(now, info.ended_at ?? info.accepted_at), useNow(live));
  const span: Span = { from: now - range, to: now + range * AHEAD };
  const shown = useMemo(() => within(all, span, now), [all, now, range]);
  const made = groups(shown, by, now, width === 0 ? 0 : (range / width) * 4);
  const x = (at: number) => ((at - span.from) / (span.to - span.from)) * width;
  let y = HEAD;
  let rows = 0;
  let left = 0;
  const placed = made.flatMap((group) => {
    if (rows >= ROWS_MAX) {
      left += group.rows.flat().length;
      return [];
    }
    const top = y;
    rows += group.rows.length;
    y += LABEL + group.rows.length * ROW + 4;
    return [{ group, top }];
  });
  const high = Math.max(y + 4, HEAD + LABEL + ROW);
  const open = shown.filter((info) => !hasEnded(info.state)).length;
  const label = `${shown.length} dispatches since ${clock(span.from)}, ${open} of them open. The list below has them all.`;
  return (
    <div class="timeline" ref={box}>
      {width > 0 && (
        <svg width={width} height={high} role="img" aria-label={label}>
          <Axis span={span} x={x} width={width} high={high} now={now} />
          {placed.map(({ group, top }) => (
            <g key={group.key}>
              <text class="timeline-label" x={0} y={top + 14}>
                {group.label}
              </text>
              {group.rows.map((row, at) =>
                row.map((info) => (
                  <Bar
                    key={info.id}
                    info={info}
                    pieces={stretches(info, steps.value.get(info.id) ?? [], now)}
                    x={x}
                    y={top + LABEL + at * ROW}
                    chosen={info.id === chosen}
                    onOpen={onOpen}
                  />
                )),
              )}
            </g>
          ))}
          {shown.length === 0 && (
            <text class="timeline-none" x={0} y={HEAD + 20}>
              Nothing was at work in this time.
            </text>
          )}
        </svg>
      )}
      {left > 0 && <p class="quiet small">{left} more are in the list below.</p>}
    </div>
  );
}

interface AxisProps {
  span: Span;
  x: (at: number) => number;
  width: number;
  high: number;
  now: number;
}

function Axis({ span, x, width, high, now }: AxisProps) {
  const offset = new Date(now).getTimezoneOffset() * 60_000;
  const marks = ticks(span, Math.max(2, Math.floor(width / TICK_PX)), offset);
  const fine = span.to - span.from < 600_000;
  return (
    <g>
      {marks.map((at) => (
        <g key={at}>
          <line class="timeline-tick" x1={x(at)} x2={x(at)} y1={HEAD - 4} y2={high} />
          {x(at) > 20 && x(at) < width - 28 && (
            <text class="timeline-time" x={x(at)} y={12} text-anchor="middle">
              {fine ? exact(at).slice(11) : clock(at)}
            </text>
          )}
        </g>
      ))}
      <line class="timeline-now" x1={x(now)} x2={x(now)} y1={HEAD - 6} y2={high} />
    </g>
  );
}

interface BarProps {
  info: DispatchInfo;
  pieces: readonly Stretch[];
  x: (at: number) => number;
  y: number;
  chosen: boolean;
  onOpen: (id: string) => void;
}

const ENDS: Partial<Record<DispatchInfo["state"], string>> = {
  failed: "✕",
  timed_out: "✕",
  cancelled: "✕",
  unreachable: "▲",
};

function Bar({ info, pieces, x, y, chosen, onOpen }: BarProps) {
  const first = pieces[0]?.from ?? info.accepted_at;
  const last = pieces.at(-1)?.to ?? info.accepted_at;
  const note = notes.value.get(info.id);
  const sign = ENDS[info.state];
  const from = Math.max(x(first), -2);
  const wide = Math.max(x(last) - from, 3);
  return (
    <g
      class={`bar bar-${info.state}${chosen ? " bar-chosen" : ""}`}
      data-dispatch={info.id}
      onClick={() => onOpen(info.id)}
    >
      <title>{`${info.hand} ${info.state.replace("_", " ")}, ${took(info, last)}${note === undefined ? "" : `: ${note}`}`}</title>
      <rect class="bar-hit" x={from - 2} y={y} width={wide + 4} height={ROW} />
      {pieces.map((piece, at) => {
        const left = Math.max(x(piece.from), -2);
        const width = Math.max(x(piece.to) - left, piece.phase === "queued" ? 1 : 2);
        const again = piece.attempt > 1 && pieces[at - 1]?.attempt !== piece.attempt;
        const thin = piece.phase === "waiting" ? 4 : 0;
        return (
          <g key={at}>
            <rect
              class={`bar-${piece.phase}`}
              x={left}
              y={y + thin}
              width={width}
              height={BAR - 2 * thin}
              rx={1}
            />
            {again && <line class="bar-again" x1={left} x2={left} y1={y - 1} y2={y + BAR + 1} />}
          </g>
        );
      })}
      {chosen && <rect class="bar-frame" x={from - 2} y={y - 2} width={wide + 4} height={BAR + 4} rx={2} />}
      {sign !== undefined && (
        <text class="bar-sign" x={x(last) + 4} y={y + 10}>
          {sign}
        </text>
      )}
    </g>
  );
}
