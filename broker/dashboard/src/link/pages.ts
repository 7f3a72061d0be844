/** A list that comes in pages: the first is read by itself, more when somebody wants them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { link } from "./link";
import { asError } from "./use";

export interface Part<T> {
  rows: readonly T[];
  /** Where the next page begins; absent at the end. */
  next?: string | undefined;
}

export interface Pages<T> {
  rows: readonly T[] | undefined;
  error: Error | undefined;
  /** There is more than is shown. */
  more: boolean;
  loadMore: () => Promise<void>;
  /** Reads the first page anew, and as many more as were shown. */
  reload: () => void;
}

interface State<T> {
  of: string;
  rows?: readonly T[];
  next?: string | undefined;
  pages: number;
  error?: Error;
}

const AT_ONCE_MAX = 10;

/** What `load` gives, from the beginning whenever `deps` change. */
export function usePages<T>(load: (cursor?: string) => Promise<Part<T>>, deps: readonly unknown[]): Pages<T> {
  const of = JSON.stringify(deps);
  const [state, setState] = useState<State<T>>({ of, pages: 1 });
  const [turn, setTurn] = useState(0);
  const current = useRef({ load, state });
  current.current = { load, state };
  useEffect(() => {
    let dropped = false;
    const shown = current.current.state.of === of ? current.current.state.pages : 1;
    const read = async () => {
      const rows: T[] = [];
      let next: string | undefined;
      let pages = 0;
      do {
        const part = await current.current.load(next);
        rows.push(...part.rows);
        next = part.next;
        pages += 1;
      } while (next !== undefined && pages < Math.min(shown, AT_ONCE_MAX));
      if (!dropped) setState({ of, rows, next, pages });
    };
    read().catch((error: unknown) => {
      if (dropped) return;
      setState((old) => ({ ...(old.of === of ? old : { pages: 1 }), of, error: asError(error) }));
    });
    return () => {
      dropped = true;
    };
  }, [of, turn]);
  useEffect(() => link.on("fresh", ({ again }) => again && setTurn((turn) => turn + 1)), []);
  const known = state.of === of ? state : undefined;
  const loadMore = async () => {
    if (known?.next === undefined) return;
    const part = await load(known.next);
    setState((old) =>
      old.of === of && old.next === known.next
        ? { of, rows: [...(old.rows ?? []), ...part.rows], next: part.next, pages: old.pages + 1 }
        : old,
    );
  };
  return {
    rows: known?.rows,
    error: known?.error,
    more: known?.next !== undefined,
    loadMore,
    reload: () => setTurn((turn) => turn + 1),
  };
}
