/** A part of the home page: what it is about, which leads to the page with all of it, and a few lines. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";

interface Props {
  /** "" for a text that says it itself. */
  title: string;
  /** The page with all of it. */
  href?: string | undefined;
  /** Beside the title: how many, how much. */
  count?: ComponentChildren;
  children: ComponentChildren;
}

export function Part({ title, href, count, children }: Props) {
  return (
    <section class="home-part" aria-label={title === "" ? "Text" : title}>
      {title !== "" && (
        <header class="home-head">
          <h2>{href === undefined ? title : <Link href={href}>{title}</Link>}</h2>
          {count !== undefined && <span class="quiet number">{count}</span>}
        </header>
      )}
      {children}
    </section>
  );
}

interface LinesProps<T> {
  label: string;
  rows: readonly T[];
  id: (row: T) => string;
  line: (row: T) => ComponentChildren;
  /** So many are shown. */
  most: number;
  /** Where the others are. */
  href: string;
  /** What is said when there is none. */
  none: ComponentChildren;
}

export function Lines<T>({ label, rows, id, line, most, href, none }: LinesProps<T>) {
  if (rows.length === 0) return none === "" ? null : <p class="quiet">{none}</p>;
  return (
    <>
      <ul class="home-lines" aria-label={label}>
        {rows.slice(0, most).map((row) => (
          <li key={id(row)}>{line(row)}</li>
        ))}
      </ul>
      {rows.length > most && <Link href={href}>{rows.length - most} more</Link>}
    </>
  );
}

/** What is shown until something is known. */
export function Unread({
  what,
  error,
  retry,
}: {
  what: string;
  error: Error | undefined;
  retry: () => void;
}) {
  if (!error) return <Loading what={what} />;
  return (
    <Fault
      what={`${what[0]?.toUpperCase() ?? ""}${what.slice(1)} could not be read`}
      error={error}
      retry={retry}
    />
  );
}
