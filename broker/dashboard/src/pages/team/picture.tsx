/** The live picture of who talks to whom. It moves when somebody comes or a new pair talks, and rests otherwise. */
import { useMemo, useRef } from "preact/hooks";
import { myParty } from "../../state/session";
import { team } from "../../state/team";
import { Empty } from "../../ui/empty";
import { now } from "../../ui/now";
import type { AspectInfo } from "../../wire/frames";
import { type Edge, edgesOf, type Place, settle, WINDOW_MS } from "./graph";
import { talks } from "./talks";

const WIDTH = 440;
const HEIGHT = 320;
/** What was said within this time is drawn as going on. */
const LIVELY_MS = 20_000;
const SHAPES: Record<AspectInfo["state"], string> = {
  online: "●",
  busy: "◐",
  stalled: "◌",
  deaf: "▲",
  offline: "○",
};

export function Picture({
  selected,
  onSelect,
}: {
  selected: string | undefined;
  onSelect: (name: string) => void;
}) {
  const places = useRef<ReadonlyMap<string, Place>>(new Map());
  const edges = edgesOf(talks.value, now.value - WINDOW_MS);
  const aspects = team.value.map((it) => it.name);
  const people = [...new Set(edges.flatMap((it) => [it.from, it.to]))]
    .filter((it) => it.startsWith("operator/"))
    .sort();
  const ids = [...aspects, ...people];
  const pairs = edges
    .map((it) => `${it.from}>${it.to}`)
    .sort()
    .join();
  const settled = useMemo(
    () => (places.current = settle(ids, edges, places.current, WIDTH, HEIGHT)),
    [ids.join(), pairs],
  );
  if (aspects.length === 0) return <Empty title="Nobody is on the team yet." />;
  return (
    <figure class="picture">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={inWords(edges)}>
        {edges.map((edge) => (
          <EdgeLine key={`${edge.from}>${edge.to}`} edge={edge} places={settled} />
        ))}
        {ids.map((id) => {
          const place = settled.get(id);
          const aspect = team.value.find((it) => it.name === id);
          if (!place) return null;
          return (
            <g
              key={id}
              class={id === selected ? "node node-selected" : "node"}
              transform={`translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`}
              onClick={aspect && (() => onSelect(id))}
            >
              <circle class={aspect ? "node-back" : "node-back node-person"} r={aspect ? 15 : 9} />
              {aspect && (
                <text class={`node-state tone-${aspect.state}`} dy="5">
                  {SHAPES[aspect.state]}
                </text>
              )}
              <text class="node-name" dy={aspect ? 30 : 24}>
                {id === myParty.value ? "you" : id.replace(/^operator\//, "")}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption class="quiet small">
        Messages and dispatches (dashed) of the last {WINDOW_MS / 60_000} minutes
      </figcaption>
    </figure>
  );
}

function EdgeLine({ edge, places }: { edge: Edge; places: ReadonlyMap<string, Place> }) {
  const [from, to] = [places.get(edge.from), places.get(edge.to)];
  if (!from || !to) return null;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.max(Math.hypot(dx, dy), 1);
  // Bent to one side, so that the two ways of a pair do not lie on each other.
  const bend = 14;
  const mid = {
    x: (from.x + to.x) / 2 - (dy / length) * bend,
    y: (from.y + to.y) / 2 + (dx / length) * bend,
  };
  const near = (place: Place) => {
    const [mx, my] = [mid.x - place.x, mid.y - place.y];
    const far = Math.max(Math.hypot(mx, my), 1);
    return `${(place.x + (mx / far) * 17).toFixed(1)} ${(place.y + (my / far) * 17).toFixed(1)}`;
  };
  const path = `M${near(from)}Q${mid.x.toFixed(1)} ${mid.y.toFixed(1)} ${near(to)}`;
  const lively = now.value - edge.at < LIVELY_MS;
  const name = ["edge", edge.messages === 0 ? "edge-dispatch" : "", lively ? "edge-lively" : ""].join(" ");
  const thick = 1 + Math.min(Math.log2(edge.messages + edge.dispatches), 3);
  return (
    <path class={name} d={path} stroke-width={thick.toFixed(1)}>
      <title>
        {edge.from} → {edge.to}: {edge.messages} messages, {edge.dispatches} dispatches
      </title>
    </path>
  );
}

function inWords(edges: readonly Edge[]): string {
  if (edges.length === 0) return "Nobody has talked to anybody lately";
  const said = edges.map(
    (it) => `${it.from} to ${it.to}: ${it.messages} messages, ${it.dispatches} dispatches`,
  );
  return `Who talks to whom. ${said.join(". ")}`;
}
