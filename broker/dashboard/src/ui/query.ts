/** What the address says after `?`: filters and selections that survive a reload and can be passed on. */
import { useLocation, useSearch } from "wouter-preact";

export type Query = Readonly<Record<string, string>>;

/** The values, and a way to change some; an empty value takes its name out. `replace` leaves no step to go back to. */
export function useQuery(): [Query, (change: Record<string, string>, replace?: boolean) => void] {
  // The hook says when it changes, but has undone the escapes, so that `%26` and `&` are the same to it.
  useSearch();
  const [, go] = useLocation();
  const now = new URLSearchParams(window.location.search);
  const set = (change: Record<string, string>, replace = false) => {
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(change)) {
      if (value === "") next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    go(window.location.pathname + (text === "" ? "" : `?${text}`), { replace });
  };
  return [Object.fromEntries(now), set];
}

/** An address with what it says after `?`. */
export function to(path: string, query: Record<string, string>): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return text === "" ? path : `${path}?${text}`;
}
