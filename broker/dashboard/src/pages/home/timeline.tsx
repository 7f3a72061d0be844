/** What was and what will be, along the time: a line for each, in words, with where it stands drawn beside them. */
import { Link } from "wouter-preact";
import { Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Time } from "../../ui/time";
import { Track, TrackEnds } from "../../ui/track";
import type { RunInfo } from "../../wire/frames";
import type { HomeRuns } from "../../wire/http";
import { hasEnded, took, toneOfRun } from "../flows/words";
import type { Planned } from "../triggers/planned";
import { Lines, Part, Unread } from "./part";
import { usePlan } from "./side";
import { hrefOf } from "./words";
import { noRun, useRuns } from "./work";

const HOUR_MS = 3_600_000;

const beganOf = (run: RunInfo) => run.began_at ?? run.accepted_at;

export function RunsAlong({ title, most, runs }: { title: string; most: number; runs: HomeRuns }) {
  const { value, error, reload } = useRuns(runs);
  const href = hrefOf({ runs });
  const shown = value?.runs.slice(0, most) ?? [];
  const from = Math.min(...shown.map(beganOf));
  // What began a moment ago is not ahead of now.
  const until = Math.max(now.value, ...shown.map((run) => run.ended_at ?? beganOf(run)));
  return (
    <Part title={title} href={href}>
      {value ? (
        <Lines
          label={title}
          rows={shown}
          id={({ id }) => id}
          most={most}
          href={href}
          none={noRun(runs)}
          line={(run) => (
            <>
              <Mark tone={toneOfRun[run.state]} word={run.state} />
              <Link class="home-what mono" href={`/flows/${run.id}`}>
                {run.flow}
              </Link>
              <span class="quiet small">
                <Time at={beganOf(run)} />, {hasEnded(run.state) ? "took" : "for"} {took(run, until)}
              </span>
              <Track
                from={from}
                until={until}
                bars={[{ begin: beganOf(run), end: run.ended_at ?? until, tone: toneOfRun[run.state] }]}
              />
            </>
          )}
        />
      ) : (
        <Unread what="the runs" error={error} retry={reload} />
      )}
      {shown.length > 0 && <TrackEnds from={from} until={until} />}
    </Part>
  );
}

/** Of each trigger when it is due, those first that are due first. */
function lanes(plan: readonly Planned[]): { name: string; dues: number[] }[] {
  const all = new Map<string, number[]>();
  for (const { due, info } of plan) {
    const { name } = info.definition;
    all.set(name, [...(all.get(name) ?? []), due]);
  }
  return [...all].map(([name, dues]) => ({ name, dues }));
}

export function PlanAlong({ title, most, hours }: { title: string; most: number; hours: number }) {
  const { value, error, reload } = usePlan(hours);
  const from = now.value;
  const until = from + hours * HOUR_MS;
  return (
    <Part title={title} href="/triggers?show=plan">
      {value ? (
        <Lines
          label={title}
          rows={lanes(value)}
          id={({ name }) => name}
          most={most}
          href="/triggers?show=plan"
          none={`Nothing is due in the next ${hours} hours.`}
          line={({ name, dues }) => (
            <>
              <Link class="home-what mono" href={`/triggers/${name}`}>
                {name}
              </Link>
              <span class="quiet small">
                {dues.length === 1 ? "" : `${dues.length} times, first `}
                <Time at={dues[0] ?? until} />
              </span>
              <Track
                from={from}
                until={until}
                bars={dues.map((due) => ({ begin: due, end: due, tone: "busy" }))}
              />
            </>
          )}
        />
      ) : (
        <Unread what="the plan" error={error} retry={reload} />
      )}
      {value && value.length > 0 && <TrackEnds from={from} until={until} />}
    </Part>
  );
}
