/** A session's tree as its aspect's process tells it, read anew when the aspect has done something. */
import { useEffect, useRef, useState } from "preact/hooks";
import { link } from "../../link/link";
import { asError, useLog, useSoon } from "../../link/use";
import type { LogEntry, SessionCommandInfo, SessionNode } from "../../wire/frames";

interface Known {
  nodes: readonly SessionNode[];
  head: string | undefined;
  /** There are more than are shown. */
  cut: boolean;
}

interface Tail {
  /** With what the last page was asked for, and how many stood before it: a file only grows. */
  cursor: string | undefined;
  before: SessionNode[];
}

const PAGE = 200;
const PAGES_MAX = 100;

async function read(of: string, session: string, from: Tail): Promise<{ known: Known; tail: Tail }> {
  let { cursor, before } = from;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const asked = { of, session, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
    const { entries, head, cursor: next } = await link.ask("session.tree", asked);
    const nodes = [...before, ...entries];
    if (next === undefined) return { known: { nodes, head, cut: false }, tail: { cursor, before } };
    [cursor, before] = [next, nodes];
  }
  return { known: { nodes: before, head: before.at(-1)?.id, cut: true }, tail: { cursor, before } };
}

export interface SessionTree {
  tree: Known | undefined;
  error: Error | undefined;
  reload: () => void;
}

export function useTree(of: string, session: string): SessionTree {
  const [tree, setTree] = useState<Known>();
  const [error, setError] = useState<Error>();
  const tail = useRef<Tail>({ cursor: undefined, before: [] });
  const turn = useRef(0);
  const reload = () => {
    const mine = (turn.current += 1);
    read(of, session, tail.current).then(
      (read) => {
        if (mine !== turn.current) return;
        tail.current = read.tail;
        setTree(read.known);
        setError(undefined);
      },
      (error: unknown) => mine === turn.current && setError(asError(error)),
    );
  };
  useEffect(() => {
    tail.current = { cursor: undefined, before: [] };
    setTree(undefined);
    setError(undefined);
    reload();
    return () => {
      turn.current += 1;
    };
  }, [of, session]);
  useEffect(() => link.on("fresh", ({ again }) => again && reload()), [of, session]);
  const soon = useSoon(reload, 400);
  useLog((entry) => {
    if (isBy(entry, of)) soon();
  });
  return { tree, error, reload };
}

/** What an aspect does about an item leaves entries in a session of its. */
function isBy({ actor, body }: LogEntry, of: string): boolean {
  return (
    actor === of && (body.type === "item_closed" || body.type === "item_taken" || body.type === "message")
  );
}

/** A command that was given, until it is known what came of it. */
export interface Following {
  command: string | undefined;
  /** What was asked for, in words. */
  words: string;
}

const POLL_MS = 2_000;

/** Follows a command: by the log, and by asking in case that was missed. */
export function useOutcome(command: string | undefined, done: (info: SessionCommandInfo) => void): void {
  const current = useRef(done);
  current.current = done;
  useEffect(() => {
    if (command === undefined) return undefined;
    let over = false;
    const ask = () => {
      link.ask("session.status", { command }).then(
        (info) => {
          if (over || info.state === "pending") return;
          over = true;
          current.current(info);
        },
        () => undefined,
      );
    };
    ask();
    const timer = setInterval(ask, POLL_MS);
    const off = link.on("log", ({ body }) => {
      if (body.type === "item_closed" && body.item === command) ask();
    });
    return () => {
      over = true;
      clearInterval(timer);
      off();
    };
  }, [command]);
}
