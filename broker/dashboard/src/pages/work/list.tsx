/** The list of dispatches, with what each waits for, took and spent. */
import { useEffect, useState } from "preact/hooks";
import { asError } from "../../link/use";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { DispatchMark } from "../../ui/mark";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { DispatchInfo } from "../../wire/frames";
import { hasEnded } from "./steps";
import { notes, older, readDead, readLatest, readOne } from "./store";
import { current, isDead, spent, took, waits } from "./words";

export type Show = "all" | "open" | "ended" | "dead" | "gathers";

interface Props {
  /** The latest first. */
  all: readonly DispatchInfo[];
  show: Show;
  chosen: string | undefined;
  work: { known: boolean; error: Error | undefined; reload: () => void };
  onOpen: (id: string) => void;
}

/** Of that many that are queued it is asked why. */
const ASKED_MAX = 16;
const ASK_MS = 4_000;

export function List({ all, show, chosen, work, onOpen }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error>();
  const shown = all.filter((info) => belongs(info, show) && matches(info, text));
  useWaiting(shown);
  useEffect(() => {
    if (show === "dead") readDead().catch((error: unknown) => setError(asError(error)));
  }, [show]);
  const failed = error ?? work.error;
  if (!work.known && !work.error) return <Loading what="the dispatches" />;
  return (
    <section aria-label="Dispatches">
      {failed && <Fault what="The dispatches could not be read" error={failed} retry={work.reload} />}
      <input
        class="input list-search"
        type="search"
        data-search
        aria-label="Show only those with this in Hand, invoker, state or id"
        placeholder="Filter by Hand, invoker, state or id"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {shown.length === 0 ? (
        <Nothing show={show} filtered={text !== ""} />
      ) : (
        <Table
          label="Dispatches"
          columns={chosen === undefined ? columns : columns.filter(({ head }) => BESIDE.includes(head))}
          rows={shown}
          id={(info) => info.id}
          selected={chosen}
          onOpen={(info) => onOpen(info.id)}
        />
      )}
      {(show === "all" || show === "ended") && older.value !== undefined && (
        <Button onClick={() => readLatest(older.value)}>Show older ones</Button>
      )}
    </section>
  );
}

const columns: Column<DispatchInfo>[] = [
  { head: "State", cell: (info) => <State info={info} /> },
  { head: "Hand", cell: (info) => <span class="mono">{info.hand}</span> },
  { head: "For", cell: (info) => info.invoker },
  { head: "Accepted", cell: (info) => <Time at={info.accepted_at} /> },
  { head: "Took", number: true, cell: (info) => took(info, current()) },
  { head: "Attempt", number: true, cell: (info) => (info.attempt === 0 ? "–" : info.attempt) },
  { head: "Spent", number: true, cell: (info) => spent(info) ?? "–" },
  { head: "About", class: "list-about", cell: (info) => <About info={info} /> },
];

/** What there is room for beside the one that is open. */
const BESIDE = ["State", "Hand", "Accepted", "Took"];

function State({ info }: { info: DispatchInfo }) {
  return <DispatchMark state={info.state} />;
}

function About({ info }: { info: DispatchInfo }) {
  if (info.error) {
    return (
      <>
        <code>{info.error.code}</code> {info.error.message}
      </>
    );
  }
  if (info.state === "pending")
    return <>{waits(info) === undefined ? "in the queue" : `waits ${waits(info) ?? ""}`}</>;
  if (!hasEnded(info.state))
    return <>{notes.value.get(info.id) ?? (info.depth > 1 ? "part of a tree" : "")}</>;
  return <span class="quiet">{info.depth > 1 ? "part of a tree" : ""}</span>;
}

function belongs(info: DispatchInfo, show: Show): boolean {
  if (show === "open") return !hasEnded(info.state);
  if (show === "ended") return hasEnded(info.state);
  return show !== "dead" || isDead(info);
}

function matches({ hand, invoker, state, id, key }: DispatchInfo, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return wanted === "" || [hand, invoker, key, state.replace("_", " "), id].some((it) => it.includes(wanted));
}

/** Lists do not say why something waits; it is asked of the first ones that do. */
function useWaiting(shown: readonly DispatchInfo[]): void {
  const ids = shown.filter((info) => info.state === "pending").slice(0, ASKED_MAX);
  const of = ids.map((info) => info.id).join(" ");
  useEffect(() => {
    if (of === "") return undefined;
    const ask = () => of.split(" ").forEach((id) => void readOne(id).catch(() => undefined));
    ask();
    const timer = setInterval(ask, ASK_MS);
    return () => clearInterval(timer);
  }, [of]);
}

function Nothing({ show, filtered }: { show: Show; filtered: boolean }) {
  if (filtered) return <Empty title="None has that in it.">Clear the filter to see them all.</Empty>;
  switch (show) {
    case "open":
      return <Empty title="No work is open.">What is sent to a Hand is here until it has ended.</Empty>;
    case "ended":
      return <Empty title="No work has ended yet.">What is under way is under Open.</Empty>;
    case "dead":
      return (
        <Empty title="Nothing has come to nothing.">
          What failed or ran out of time is here until somebody tries it again.
        </Empty>
      );
    case "all":
    case "gathers":
      return (
        <Empty title="Nobody has sent any work yet.">
          Work goes to a Hand: send some with <em>New dispatch</em>, or ask an aspect in Chat, and see what it
          hands on.
        </Empty>
      );
  }
}
