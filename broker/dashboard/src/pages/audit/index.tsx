/** Audit: the log as an auditor reads it; who did what to what, and what was refused. It stays current by itself. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { type Wanted, trail } from "../../link/trail";
import { asError, useLog, useSoon } from "../../link/use";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { count } from "../../ui/format";
import { Id } from "../../ui/id";
import { useKeys } from "../../ui/keys";
import { Mark } from "../../ui/mark";
import { Page } from "../../ui/page";
import { Party } from "../../ui/party";
import { type Query, useQuery } from "../../ui/query";
import { Time } from "../../ui/time";
import type { AuditEntry, AuditPage } from "../../wire/frames";
import { Filters } from "./filters";
import { type Shown, below, filled, newest, oldest, onTop } from "./rows";
import { address, isAlone, isId, isRefusal, said } from "./words";
import "./audit.css";

const PAGE = 100;
const SETTLE_MS = 400;
/** The top of a long list that nobody scrolls down to is all that is kept current. */
const ROWS_MAX = 5_000;

function asked({ by, kind, subject, thread, since, until }: Query): Wanted {
  const time = (text: string | undefined) => {
    const at = text === undefined ? NaN : new Date(text).getTime();
    return Number.isNaN(at) ? undefined : at;
  };
  const [from, to] = [time(since), time(until)];
  return {
    limit: PAGE,
    ...(by === undefined ? {} : { by }),
    ...(kind === undefined ? {} : { kind }),
    ...(subject === undefined ? {} : { subject }),
    ...(thread === undefined ? {} : { thread }),
    ...(from === undefined ? {} : { since: from }),
    ...(to === undefined ? {} : { until: to }),
  };
}

interface State {
  of: string;
  rows?: readonly Shown[];
  /** Where what is older begins, if there may be something. */
  next?: number;
  error?: Error;
}

function useAudit(query: Query) {
  const wanted = asked(query);
  const of = JSON.stringify(wanted);
  const [state, setState] = useState<State>({ of });
  const [live, setLive] = useState(true);
  const [waiting, setWaiting] = useState(false);
  const current = useRef(of);
  current.current = of;
  /** The newest entry that was heard of. */
  const heard = useRef(0);
  /** Up to there nothing else is new. */
  const looked = useRef({ of, upTo: 0 });
  const put = (change: (rows: readonly Shown[]) => Shown[], last?: AuditPage) =>
    setState((old) => {
      if (current.current !== of) return old;
      const known: State = old.of === of ? old : { of };
      const { next } = last ?? known;
      return {
        of,
        rows: change(known.rows ?? []).slice(0, ROWS_MAX),
        ...(next === undefined ? {} : { next }),
      };
    });
  const top = async () => {
    setWaiting(false);
    const isFirst = state.of !== of || state.rows === undefined;
    const known = looked.current.of === of ? looked.current.upTo : 0;
    // What is above the place where older rows go on was looked at, whether there was anything or not.
    const floor = isFirst ? 0 : Math.max(known, newest(state.rows ?? []) ?? 0, state.next ?? 0);
    const upTo = heard.current;
    try {
      const page = await trail(wanted, floor);
      const next = page.next !== undefined && page.next > floor ? page.next : undefined;
      if (isFirst || next === undefined) looked.current = { of, upTo };
      put((rows) => onTop(rows, page.entries, next), isFirst ? page : undefined);
    } catch (error) {
      setState((old) => ({ ...(old.of === of ? old : {}), of, error: asError(error) }));
    }
  };
  const soon = useSoon(() => void top(), SETTLE_MS);
  useEffect(() => void top(), [of]);
  useLog(({ seq }) => {
    heard.current = seq;
    if (live) soon();
    else setWaiting(true);
  });
  useEffect(() => link.on("fresh", ({ again }) => again && soon()), []);
  const known: State = state.of === of ? state : { of };
  const older = async () => {
    if (known.next === undefined) return;
    const page = await trail({ ...wanted, before: known.next });
    put((rows) => below(rows, page.entries), page);
  };
  const fill = async (above: number, floor: number) => {
    const page = await trail({ ...wanted, before: above }, floor);
    put((rows) => filled(rows, above, page.entries, page.next));
  };
  const turn = () => {
    if (!live) void top();
    setLive(!live);
  };
  return { ...known, live, waiting, turn, top, older, fill };
}

export default function Audit() {
  const [query, setQuery] = useQuery();
  const audit = useAudit(query);
  const { rows, next, error, live, waiting } = audit;
  const filtered = Object.keys(query).length > 0;
  useKeys("Audit", [{ keys: "l", does: "Follow the log, or stop", act: audit.turn }]);
  const actions = (
    <>
      {!live && waiting && (
        <Button kind="primary" onClick={audit.top}>
          Show what is new
        </Button>
      )}
      <Button pressed={live} title="l" onClick={audit.turn}>
        <Mark tone={live ? "online" : "offline"} word={live ? "Live" : "Stopped"} />
      </Button>
    </>
  );
  return (
    <Page title="Audit" actions={actions}>
      <Filters />
      {error && rows === undefined && (
        <Fault what="The log could not be read" error={error} retry={() => void audit.top()} />
      )}
      {!error && rows === undefined && <Loading what="the log" />}
      {rows?.length === 0 && (
        <Empty title={filtered ? nothing(next) : "The log is empty."}>
          {filtered ? (
            <Button
              onClick={() => setQuery(Object.fromEntries(Object.keys(query).map((name) => [name, ""])))}
            >
              Take the filters away
            </Button>
          ) : (
            "Every change of the team is written here before it counts."
          )}
        </Empty>
      )}
      {rows !== undefined && rows.length > 0 && <Rows rows={rows} fill={audit.fill} setQuery={setQuery} />}
      {next !== undefined && (
        <div class="audit-more">
          <Button onClick={audit.older}>Older entries</Button>
        </div>
      )}
      {rows !== undefined && next === undefined && !filtered && <Beginning first={oldest(rows)} />}
      <p class="hidden" role="status">
        {newest(rows ?? []) !== undefined && live ? "The log is shown as it grows" : ""}
      </p>
    </Page>
  );
}

/** Of a long log, all of it is not looked through at once. */
const nothing = (next: number | undefined) =>
  next === undefined
    ? "Nothing in the log is like that."
    : `Nothing in the log is like that from entry ${count(next)} on.`;

/** What is missing at the end is said, so that nobody takes the rest for all. */
function Beginning({ first }: { first: number | undefined }) {
  if (first === undefined) return null;
  return (
    <p class="audit-end quiet">
      {first <= 1
        ? "This is the beginning of the log."
        : `Entries 1 to ${count(first - 1)} are kept no longer: the broker prunes its log as its settings say.`}
    </p>
  );
}

interface RowsProps {
  rows: readonly Shown[];
  fill: (above: number, floor: number) => Promise<void>;
  setQuery: (change: Record<string, string>) => void;
}

function Rows({ rows, fill, setQuery }: RowsProps) {
  return (
    <table class="table audit" aria-label="Entries of the log, the latest first">
      <thead>
        <tr>
          <th scope="col" class="number">
            Seq
          </th>
          <th scope="col">When</th>
          <th scope="col">What happened</th>
          <th scope="col">Kind</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) =>
          row.is === "entry" ? (
            <Entry key={row.entry.seq} entry={row.entry} setQuery={setQuery} />
          ) : (
            <tr key={`hole-${row.above}`} class="audit-hole">
              <td colSpan={4}>
                <Mark tone="deaf" word="gap" /> Others between {count(row.below)} and {count(row.above)} came
                too fast to be shown. <Button onClick={() => fill(row.above, row.below)}>Show them</Button>
              </td>
            </tr>
          ),
        )}
      </tbody>
    </table>
  );
}

function Entry({ entry, setQuery }: { entry: AuditEntry; setQuery: RowsProps["setQuery"] }) {
  const { seq, at, kind, subject } = entry;
  const { who, words } = said(entry);
  return (
    <tr class={isRefusal(entry) ? "audit-refused" : undefined} data-seq={seq}>
      <td class="number quiet" data-head="Seq">
        {seq}
      </td>
      <td data-head="When">
        <Time at={at} />
      </td>
      <td data-head="What" class="audit-what">
        <span>
          {isRefusal(entry) && (
            <>
              <Mark tone="failed" word="refused" bare />{" "}
            </>
          )}
          {who !== undefined && (
            <button
              type="button"
              class="audit-who"
              title={`Only what ${who} did`}
              onClick={() => setQuery({ by: who })}
            >
              <Party party={who} />
            </button>
          )}{" "}
          {words} {!isAlone(entry) && subject !== "" && <About entry={entry} />}
        </span>
      </td>
      <td data-head="Kind">
        <button type="button" class="audit-kind" title={`Only ${kind}`} onClick={() => setQuery({ kind })}>
          {kind}
        </button>
      </td>
    </tr>
  );
}

/** What it was done to: a name leads to where it can be looked at; an id has no word of its own. */
function About({ entry }: { entry: AuditEntry }) {
  const { subject } = entry;
  const where = address(entry);
  if (isId(subject)) {
    return (
      <>
        {where !== undefined && <Link href={where}>look</Link>} <Id id={subject} what="id" />
      </>
    );
  }
  if (where === undefined) return <span class="audit-about">{subject}</span>;
  return <Link href={where}>{subject}</Link>;
}
