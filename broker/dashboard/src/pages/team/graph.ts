/** Who talks to whom: edges made of messages and dispatches of the last minutes, and where their ends stand. */
import {
  forceCenter,
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
} from "d3-force";
import type { LogEntry } from "../../wire/frames";

export const WINDOW_MS = 15 * 60_000;

export interface Talk {
  from: string;
  to: string;
  kind: "message" | "dispatch";
  at: number;
}

export interface Edge {
  from: string;
  to: string;
  messages: number;
  dispatches: number;
  /** Of the last of them. */
  at: number;
}

const host = (hand: string): string => hand.split("/")[0] ?? hand;

/** Who talks to whom in an entry of the log. */
export function talksOf({ body, at }: LogEntry): Talk[] {
  if (body.type === "message") return body.to.map((to) => ({ from: body.from, to, kind: "message", at }));
  if (body.type === "dispatch_accepted") {
    return [{ from: body.invoker, to: host(body.hand), kind: "dispatch", at }];
  }
  return [];
}

/** What was said since `since`, added up by who said it to whom. Nobody talks to themselves here. */
export function edgesOf(talks: readonly Talk[], since: number): Edge[] {
  const all = new Map<string, Edge>();
  for (const { from, to, kind, at } of talks) {
    if (at < since || from === to) continue;
    const key = `${from}\n${to}`;
    const edge = all.get(key) ?? { from, to, messages: 0, dispatches: 0, at: 0 };
    edge[kind === "message" ? "messages" : "dispatches"] += 1;
    edge.at = Math.max(edge.at, at);
    all.set(key, edge);
  }
  return [...all.values()];
}

export interface Place {
  id: string;
  x: number;
  y: number;
}

const TICKS = 300;

/**
 * Where everybody stands once the forces are at rest. Whoever stood somewhere begins there, so that a newcomer moves the
 * others little. Nothing is random: the same team stands the same way.
 */
export function settle(
  ids: readonly string[],
  edges: readonly Edge[],
  before: ReadonlyMap<string, Place>,
  width: number,
  height: number,
): Map<string, Place> {
  const nodes = ids.map((id, at) => {
    const angle = (2 * Math.PI * at) / Math.max(ids.length, 1);
    const old = before.get(id);
    return {
      id,
      x: old?.x ?? width / 2 + (width / 3) * Math.cos(angle),
      y: old?.y ?? height / 2 + (height / 3) * Math.sin(angle),
    };
  });
  const known = new Set(ids);
  const links = edges
    .filter((edge) => known.has(edge.from) && known.has(edge.to))
    .map((edge) => ({ source: edge.from, target: edge.to }));
  forceSimulation(nodes)
    .force("apart", forceManyBody().strength(-900))
    .force(
      "together",
      forceLink<(typeof nodes)[number], (typeof links)[number]>(links)
        .id((node) => node.id)
        .distance(130)
        .strength(0.25),
    )
    .force("middle", forceCenter(width / 2, height / 2))
    .force("x", forceX(width / 2).strength(0.06))
    .force("y", forceY(height / 2).strength(0.1))
    .force("room", forceCollide(36))
    .stop()
    .tick(TICKS);
  const inside = (value: number, most: number) => Math.min(Math.max(value, 40), most - 40);
  return new Map(nodes.map(({ id, x, y }) => [id, { id, x: inside(x, width), y: inside(y, height) }]));
}
