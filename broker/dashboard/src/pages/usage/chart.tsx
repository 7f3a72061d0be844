/**
 * Bars by uPlot, one series on the other. Series differ in lightness and in pattern, not by hue alone; the legend
 * shows what is under the pointer. The same numbers are in a table beside each chart.
 */
import { useComputed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../../ui/theme";
import { type Look, Swatch, brush } from "./look";
import { stacked } from "./series";

export interface Series {
  name: string;
  values: readonly number[];
  look: Look;
}

interface Props {
  /** Absent where it stands above already. */
  title?: string;
  /** What it shows in a sentence, for those who do not see it. */
  label: string;
  keys: readonly string[];
  /** As keys stand below the bars. */
  short: (key: string) => string;
  series: readonly Series[];
  /** A value whole, in the legend. */
  format: (value: number) => string;
  /** A value at the side, where values are `step` apart. */
  tick: (value: number, step: number) => string;
}

const HEIGHT = 220;
/** Names of aspects and models need more room than days. */
const LONG_NAME = 8;
const NARROW_BAR = 72;

export function Chart({ title, label, keys, short, series, format, tick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number>();
  const [width, setWidth] = useState(0);
  const scheme = useScheme();
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const drawn = JSON.stringify([keys, series.map((it) => it.values)]);
  useEffect(() => {
    if (!box.current || width === 0 || keys.length === 0) return;
    const options = optionsFor(box.current, width, keys.map(short), series, tick, setAt);
    // Nothing is drawn for nothing, not even an edge.
    const tops = stacked(series.map((it) => it.values)).map((it) => it.map((top) => (top > 0 ? top : null)));
    tops.reverse();
    const plot = new uPlot(options, [keys.map((_, at) => at), ...tops], box.current);
    return () => plot.destroy();
  }, [drawn, width, scheme]);
  const key = at === undefined ? undefined : keys[at];
  const shown = (it: Series) =>
    at === undefined ? it.values.reduce((a, b) => a + b, 0) : (it.values[at] ?? 0);
  return (
    <figure class="chart">
      <figcaption class="chart-head">
        {title !== undefined && <h2>{title}</h2>}
        <span class="chart-of">{key ?? "in all"}</span>
        <ul class="legend">
          {series.map((it) => (
            <li key={it.name}>
              <Swatch look={it.look} /> {it.name} <span class="number">{format(shown(it))}</span>
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="chart-box" ref={box} role="img" aria-label={label} />
    </figure>
  );
}

/** Changes when the colours do. */
function useScheme(): string {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return useComputed(() => theme.value).value + String(dark);
}

/** A colour as it is drawn in `box`: what stands in the style is one for light and one for dark. */
function resolved(box: HTMLElement, name: string): string {
  const probe = box.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function optionsFor(
  box: HTMLElement,
  width: number,
  names: readonly string[],
  series: readonly Series[],
  tick: (value: number, step: number) => string,
  point: (at: number | undefined) => void,
): uPlot.Options {
  const colour = (name: string) => resolved(box, name);
  const font = `12px ${getComputedStyle(box).getPropertyValue("--mono").trim()}`;
  const stroke = colour("--quiet");
  const longest = Math.max(...names.map((name) => name.length));
  const leaning = longest > LONG_NAME && width / names.length < Math.max(NARROW_BAR, longest * 8);
  const bars = uPlot.paths.bars?.({ size: [0.7, 56], radius: 0 });
  const line = { stroke: colour("--line"), width: 1 };
  return {
    width,
    height: HEIGHT + (leaning ? 60 : 0),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    // Names stand out over the sides.
    padding: [8, 20, 0, leaning ? 40 : 0],
    scales: {
      x: { time: false, range: [-0.6, names.length - 0.4] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] },
    },
    axes: [
      {
        stroke,
        font,
        grid: { show: false },
        ticks: { show: false },
        size: leaning ? 96 : 28,
        ...(leaning ? { rotate: -40 } : {}),
        splits: () => every(names.length, leaning ? 24 : longest * 8 + 12, width),
        values: (_, splits) => splits.map((at) => cut(names[at] ?? "")),
      },
      {
        stroke,
        font,
        grid: line,
        ticks: { show: false },
        size: 64,
        values: (_, splits) => splits.map((it) => tick(it, (splits[1] ?? 0) - (splits[0] ?? 0))),
      },
    ],
    series: [
      {},
      ...[...series].reverse().map((it): uPlot.Series => ({
        label: it.name,
        fill: (plot) => brush(plot.ctx, it.look, colour),
        stroke: colour("--face"),
        width: 1,
        points: { show: false },
        ...(bars ? { paths: bars } : {}),
      })),
    ],
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? undefined)] },
  };
}

const NAME_MAX = 24;
const cut = (name: string) => (name.length > NAME_MAX ? `${name.slice(0, NAME_MAX - 1)}…` : name);

/** The places that get a name: as many as stand beside each other. */
function every(count: number, needs: number, width: number): number[] {
  const step = Math.max(1, Math.ceil((count * needs) / Math.max(1, width - 72)));
  // Counted from the end: the latest day always has its name.
  return Array.from({ length: count }, (_, at) => at).filter((at) => (count - 1 - at) % step === 0);
}
