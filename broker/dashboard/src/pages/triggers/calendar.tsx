/** The week: days beside each other, hours below each other, and above them what is due all day long. */
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import { useLoad } from "../../link/use";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { clock, count, date, exact } from "../../ui/format";
import { now } from "../../ui/now";
import type { TriggerInfo } from "../../wire/frames";
import { ASKED_MAX, dueUntil, series } from "./planned";
import { DAYS, type Day, dayStart, type Entry, type Series, week } from "./week";
import { act, span, when } from "./words";
import "./calendar.css";

interface Props {
  all: readonly TriggerInfo[];
  /** The one that is open. */
  chosen: string | undefined;
  address: (name: string) => string;
}

export function Calendar({ all, chosen, address }: Props) {
  const today = dayStart(now.value);
  const until = dayStart(today, DAYS);
  const due = dueUntil(all, until);
  const nexts = due.map(({ definition, next }) => [definition.name, next]);
  const { value, error, loading, reload } = useLoad(() => series(all, until), [nexts, until]);
  // Each slot that passes makes another plan; what is there stays until it has come.
  const before = useRef<Series[] | undefined>(undefined);
  if (value) before.current = value;
  const plan = value ?? before.current;
  const laid = useMemo(() => week(plan ?? [], today), [plan, today]);
  const fault = error && <Fault what="The plan could not be read" error={error} retry={reload} />;
  if (!plan) return loading ? <Loading what="the plan" /> : fault;
  if (plan.length === 0) {
    return (
      <Empty title="Nothing is due in the next seven days.">
        What waits for an event, for another trigger or for somebody is in no plan.
      </Empty>
    );
  }
  const { hours, days } = laid;
  const isOften = days.some(({ often }) => often.length > 0);
  const rowOf = (hour: number) => hours.indexOf(hour) + 3;
  return (
    <div class="calendar">
      {fault}
      <div
        class="week"
        role="group"
        aria-label="The next seven days"
        style={{ gridTemplateRows: `auto auto repeat(${Math.max(1, hours.length)}, auto)` }}
        onKeyDown={move}
      >
        {isOften && <span class="week-hour week-all" aria-hidden="true" style={{ gridRow: "2" }} />}
        {hours.map((hour, at) => (
          <span
            key={hour}
            class={at > 0 && hours[at - 1] !== hour - 1 ? "week-hour week-gap" : "week-hour"}
            aria-hidden="true"
            style={{ gridRow: String(rowOf(hour)) }}
          >
            {String(hour).padStart(2, "0")}
          </span>
        ))}
        {days.map((day, column) => (
          <DayOf
            key={day.start}
            day={day}
            column={column}
            rowOf={rowOf}
            slot={(entry) => (
              <Slot
                key={`${entry.info.definition.name} ${entry.at}`}
                entry={entry}
                chosen={chosen}
                address={address}
              />
            )}
          />
        ))}
      </div>
      {due.length > ASKED_MAX && (
        <p class="quiet">
          These are the {ASKED_MAX} triggers that are due first, of {due.length}.
        </p>
      )}
    </div>
  );
}

interface DayProps {
  day: Day;
  column: number;
  rowOf: (hour: number) => number;
  slot: (entry: Entry) => ComponentChildren;
}

function DayOf({ day: { start, often, hours, skipped }, column, rowOf, slot }: DayProps) {
  const at = new Date(start);
  const weekday = at.toLocaleDateString("en", { weekday: "short" });
  const month = at.toLocaleDateString("en", { month: "short" });
  return (
    <section
      class={column === 0 ? "week-day week-today" : "week-day"}
      aria-label={date(start)}
      style={{ gridColumn: String(column + 2) }}
    >
      <h2 class="week-head">
        {column === 0 ? "Today" : weekday}{" "}
        <span class="quiet">
          {at.getDate()} {month}
        </span>
      </h2>
      {often.length > 0 && (
        <ol class="week-cell" style={{ gridRow: "2" }}>
          {often.map(slot)}
        </ol>
      )}
      {[...hours]
        .sort(([a], [b]) => a - b)
        .map(([hour, entries]) => (
          <ol key={hour} class="week-cell" style={{ gridRow: String(rowOf(hour)) }}>
            {entries.map(slot)}
          </ol>
        ))}
      {skipped.map((hour) => (
        <p key={hour} class="week-skipped" style={{ gridRow: String(rowOf(hour)) }}>
          no {String(hour).padStart(2, "0")}:00 on this day
        </p>
      ))}
      {often.length === 0 && hours.size === 0 && <p class="week-nothing">nothing</p>}
    </section>
  );
}

interface SlotProps {
  entry: Entry;
  chosen: string | undefined;
  address: (name: string) => string;
}

function Slot({ entry, chosen, address }: SlotProps) {
  const { info, at, again = false } = entry;
  const { name } = info.definition;
  const about = gathered(entry);
  return (
    <li>
      <Link
        href={address(name)}
        class="week-slot"
        aria-current={name === chosen ? "true" : undefined}
        title={`${entry.count === 0 ? date(at) : exact(at)} · ${act(info.definition).who}`}
      >
        {entry.count > 0 && (
          <time class="number" dateTime={new Date(at).toISOString()}>
            {clock(at)}
            {again && " again"}
          </time>
        )}{" "}
        <span class="mono">{name}</span>
        {about !== "" && <span class="week-about"> {about}</span>}
      </Link>
    </li>
  );
}

/** `every 1 min · 60 times`. */
function gathered({ info, count: times, every, more = false }: Entry): string {
  if (times === 0) return `goes on: ${when(info.definition)}`;
  const parts = [
    ...(every === undefined ? [] : [`every ${span(every / 1000)}`]),
    ...(times < 2 ? [] : [`${count(times)}\u00a0times`]),
    ...(more ? ["and on"] : []),
  ];
  return parts.join(" · ");
}

/** Arrows go from slot to slot: up and down in a day, and to what is nearest in the day beside it. */
function move(event: KeyboardEvent): void {
  const from = event.target;
  if (!(from instanceof HTMLElement) || !from.matches(".week-slot")) return;
  const day = from.closest(".week-day");
  const slots = (of: Element | null) => [...(of?.querySelectorAll<HTMLElement>(".week-slot") ?? [])];
  const to = (): HTMLElement | undefined => {
    const own = slots(day);
    const at = own.indexOf(from);
    switch (event.key) {
      case "ArrowDown":
        return own[at + 1];
      case "ArrowUp":
        return own[at - 1];
      case "ArrowRight":
      case "ArrowLeft": {
        const isNext = event.key === "ArrowRight";
        const beside = (of: Element | null) =>
          isNext ? (of?.nextElementSibling ?? null) : (of?.previousElementSibling ?? null);
        let other = beside(day);
        while (other && slots(other).length === 0) other = beside(other);
        const top = (of: HTMLElement) => of.getBoundingClientRect().top;
        const off = (of: HTMLElement) => Math.abs(top(of) - top(from));
        return slots(other).sort((a, b) => off(a) - off(b))[0];
      }
      default:
        return undefined;
    }
  };
  const found = to();
  if (!found) return;
  event.preventDefault();
  found.focus();
}
