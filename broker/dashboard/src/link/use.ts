/** Hooks of pages over the link: an answer that stays current, and frames as they come. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answers, Asks, LogEntry } from "../wire/frames";
import { type Kind, link } from "./link";

export interface Asked<T> {
  /** The latest answer; it stays while a newer one is on its way. */
  value: T | undefined;
  error: Error | undefined;
  /** Nothing has come yet. */
  loading: boolean;
  reload: () => void;
}

/** What `load` gives, again whenever `deps` change, `reload` is called, or the link is back after a break. */
export function useLoad<T>(load: () => Promise<T>, deps: readonly unknown[]): Asked<T> {
  const [state, setState] = useState<{ value?: T; error?: Error; of?: string }>({});
  const [turn, setTurn] = useState(0);
  const loading = useRef(load);
  loading.current = load;
  const of = JSON.stringify(deps);
  useEffect(() => {
    let dropped = false;
    loading.current().then(
      (value) => dropped || setState({ value, of }),
      (error: unknown) =>
        dropped || setState((old) => ({ ...(old.of === of ? old : {}), of, error: asError(error) })),
    );
    return () => {
      dropped = true;
    };
  }, [of, turn]);
  useEffect(() => link.on("fresh", ({ again }) => again && setTurn((turn) => turn + 1)), []);
  const known = state.of === of ? state : {};
  return {
    value: known.value,
    error: known.error,
    loading: known.value === undefined && known.error === undefined,
    reload: () => setTurn((turn) => turn + 1),
  };
}

/** The answer to a request that reads. With `payload` undefined nothing is asked. */
export function useAsk<K extends Kind>(kind: K, payload: Asks[K] | undefined): Asked<Answers[K]> {
  const never = () => new Promise<Answers[K]>(() => undefined);
  return useLoad(() => (payload === undefined ? never() : link.ask(kind, payload)), [kind, payload]);
}

/** Calls `call` with each entry of the log while the page is shown; it may change with every render. */
export function useLog(call: (entry: LogEntry) => void): void {
  const current = useRef(call);
  current.current = call;
  useEffect(() => link.on("log", (entry) => current.current(entry)), []);
}

/** Calls `call` at most once in `ms`, the last time after the last change: for lists that are read anew. */
export function useSoon(call: () => void, ms = 250): () => void {
  const current = useRef(call);
  current.current = call;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      current.current();
    }, ms);
  };
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
