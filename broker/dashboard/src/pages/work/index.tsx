/** Work: what the team is asked to do, how it goes, and what came of it. */
import { useEffect, useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { Split } from "../../ui/split";
import { Tabs } from "../../ui/tabs";
import { Gathers } from "./gathers";
import { Detail } from "./detail";
import { List, type Show } from "./list";
import { Send } from "./send";
import { dispatches, readSteps, useWork } from "./store";
import { Timeline } from "./timeline";
import type { DispatchInfo } from "../../wire/frames";
import type { GroupBy } from "./lanes";
import { isDead } from "./words";
import "./work.css";

const SHOWS: readonly [Show, string][] = [
  ["all", "Latest"],
  ["open", "Open"],
  ["ended", "Ended"],
  ["dead", "Dead letters"],
  ["gathers", "Gathers"],
];
const RANGES: readonly [number, string][] = [
  [120_000, "2 min"],
  [900_000, "15 min"],
  [7_200_000, "2 h"],
  [86_400_000, "24 h"],
];

/** Of so many the range is chosen by itself. */
const LATEST = 12;

export default function Work() {
  const [path, go] = useLocation();
  const query = new URLSearchParams(useSearch());
  const chosen = path.split("/")[2] || undefined;
  const show = SHOWS.find(([name]) => name === query.get("show"))?.[0] ?? "all";
  const [by, setBy] = useState<GroupBy>("hand");
  const [wanted, setRange] = useState<number>();
  const [sending, setSending] = useState(false);
  const work = useWork();
  const search = show === "all" ? "" : `?show=${show}`;
  const open = (id: string) => go(`/work/${id}${search}`);
  const close = () => go(`/work${search}`);
  const all = [...dispatches.value.values()].sort(
    (a, b) => b.accepted_at - a.accepted_at || (a.id < b.id ? 1 : -1),
  );
  const range = wanted ?? fitting(all);
  useEffect(() => {
    readSteps(Date.now() - range).catch(() => undefined);
  }, [range, work.known]);
  useKeys("Work", [
    ...(mayAct.value ? [{ keys: "n", does: "New dispatch", act: () => setSending(true) }] : []),
    {
      keys: "o",
      does: "Open work alone, or all",
      act: () => go(show === "open" ? "/work" : "/work?show=open"),
    },
    { keys: "Escape", does: "Back to the list", act: close },
  ]);
  const dead = all.filter(isDead).length;
  const timeline = show !== "gathers" && (
    <section class="timeline-part" aria-label="Timeline">
      <div class="timeline-tools">
        <Choice label="How far back" value={range} of={RANGES} onChoose={setRange} />
        <Choice
          label="Rows"
          value={by}
          of={[
            ["hand", "by Hand"],
            ["root", "by tree"],
          ]}
          onChoose={setBy}
        />
      </div>
      <Timeline all={all} by={by} range={range} chosen={chosen} onOpen={open} />
    </section>
  );
  return (
    <Page
      title="Work"
      actions={
        mayAct.value && (
          <Button kind="primary" onClick={() => setSending(true)} title="n">
            New dispatch
          </Button>
        )
      }
    >
      <Split
        class="work"
        open={chosen !== undefined}
        list={
          <div class="work-main">
            <Tabs
              label="What is shown"
              tabs={SHOWS.map(([name, title]) => ({
                href: name === "all" ? "/work" : `/work?show=${name}`,
                here: name === show,
                title:
                  name === "dead" && dead > 0 ? (
                    <>
                      {title} <span class="number">{dead}</span>
                    </>
                  ) : (
                    title
                  ),
              }))}
            />
            {timeline}
            {show === "gathers" ? (
              <Gathers onOpen={open} />
            ) : (
              <List all={all} show={show} chosen={chosen} work={work} onOpen={open} />
            )}
          </div>
        }
      >
        {chosen !== undefined && <Detail key={chosen} id={chosen} onOpen={open} onClose={close} />}
      </Split>
      {sending && <Send onClose={() => setSending(false)} onSent={open} />}
    </Page>
  );
}

/** The shortest range that has the latest work in it. */
function fitting(all: readonly DispatchInfo[]): number {
  const age = Date.now() - (all.slice(0, LATEST).at(-1)?.accepted_at ?? 0);
  return RANGES.find(([range]) => range >= age)?.[0] ?? 7_200_000;
}

interface ChoiceProps<T> {
  label: string;
  value: T;
  of: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
}

function Choice<T extends string | number>({ label, value, of, onChoose }: ChoiceProps<T>) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {of.map(([one, title]) => (
        <Button key={one} kind="quiet" pressed={one === value} onClick={() => onChoose(one)}>
          {title}
        </Button>
      ))}
    </div>
  );
}
