/** What is at work now, and runs of flows. */
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { type Asked, useLoad, useLog, useSoon } from "../../link/use";
import { DispatchMark, Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Time } from "../../ui/time";
import type { DispatchInfo, RunInfo } from "../../wire/frames";
import type { HomeRuns } from "../../wire/http";
import { hasEnded, progress, took as runTook, toneOfRun } from "../flows/words";
import { took } from "../work/words";
import { Lines, Part, Unread } from "./part";
import { hrefOf } from "./words";

const READ = 50;
const RUNS_READ = 200;
const DISPATCHES_READ = 200;
const SETTLE_MS = 1_000;

type Open = { run: RunInfo } | { dispatch: DispatchInfo };

const readDispatches = (limit = READ) => link.ask("dispatch.list", { open: true, limit });

/** Runs that no other run is a step of, and dispatches that are no step of a run: the others are part of these. */
async function readOpen(): Promise<Open[]> {
  const [{ runs }, { dispatches }] = await Promise.all([
    link.ask("run.list", { limit: READ }),
    readDispatches(),
  ]);
  return [
    ...runs.filter(({ parent }) => parent === undefined).map((run) => ({ run })),
    ...dispatches
      .filter(({ run, parent }) => run === undefined && parent === undefined)
      .map((dispatch) => ({ dispatch })),
  ];
}

export function useOpen(): Asked<Open[]> {
  return useMoving(readOpen);
}

/** Those that are open, the first first. */
export function useDispatches(): Asked<{ dispatches: readonly DispatchInfo[]; more: boolean }> {
  return useMoving(async () => {
    const { dispatches, more = false } = await readDispatches(DISPATCHES_READ);
    return { dispatches: dispatches.reverse(), more };
  });
}

/** Read again when work begins, moves on or ends. */
function useMoving<T>(load: () => Promise<T>): Asked<T> {
  const asked = useLoad(load, []);
  const soon = useSoon(asked.reload, SETTLE_MS);
  useLog(({ body }) => {
    const moves = ["dispatch_accepted", "dispatch_assigned", "dispatch_ended"].includes(body.type);
    if (moves || (body.type === "other" && /^(run|dispatch)\./.test(body.kind))) soon();
  });
  return asked;
}

export interface Found {
  runs: readonly RunInfo[];
  /** There are further ones that were not looked at. */
  more: boolean;
}

/** The latest first. Runs that are a step of another one are part of that, unless their flow is asked for. */
export function useRuns({ flow, state }: HomeRuns): Asked<Found> {
  const asked = useLoad(async () => {
    const of = flow === undefined ? {} : { flow };
    const page = await link.ask("run.list", { all: state !== "open", limit: RUNS_READ, ...of });
    const runs = page.runs
      .filter(({ parent }) => flow !== undefined || parent === undefined)
      .filter((run) => state !== "ended" || hasEnded(run.state));
    return { runs, more: page.more === true };
  }, [flow, state]);
  const soon = useSoon(asked.reload, SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("run.")) soon();
  });
  return asked;
}

export function AtWork({ title, most }: { title: string; most: number }) {
  const { value, error, reload } = useOpen();
  return (
    <Part title={title} href="/work?show=open" count={value?.length || undefined}>
      {value ? (
        <Lines
          label="At work"
          rows={value}
          id={(open) => ("run" in open ? open.run.id : open.dispatch.id)}
          most={most}
          href="/work?show=open"
          none="Nothing is at work."
          line={(open) =>
            "run" in open ? <OpenRun run={open.run} /> : <DispatchLine dispatch={open.dispatch} />
          }
        />
      ) : (
        <Unread what="what is at work" error={error} retry={reload} />
      )}
    </Part>
  );
}

function OpenRun({ run }: { run: RunInfo }) {
  return (
    <>
      <Mark tone={toneOfRun[run.state]} word={run.state} />
      <Link class="home-what mono" href={`/flows/${run.id}`}>
        {run.flow}
      </Link>
      <span class="quiet small">
        {progress(run)} steps, {runTook(run, now.value)}
      </span>
    </>
  );
}

/** `by` is who is named above it. */
export function DispatchLine({ dispatch, by }: { dispatch: DispatchInfo; by?: string }) {
  return (
    <>
      <DispatchMark state={dispatch.state} />
      <Link class="home-what mono" href={`/work/${dispatch.id}`}>
        {dispatch.hand}
      </Link>
      <span class="quiet small">
        {dispatch.invoker !== by && `for ${dispatch.invoker}, `}
        {took(dispatch, now.value)}
      </span>
    </>
  );
}

/** What is said where there is no run. */
export const noRun = ({ flow, state }: HomeRuns): string => {
  const what = flow ?? "flow";
  if (state === "ended") return `No ${what} has been run to its end yet.`;
  return state === "open" ? `No ${what} is run now.` : `No ${what} has been run yet.`;
};

export function Runs({ title, most, runs }: { title: string; most: number; runs: HomeRuns }) {
  const { value, error, reload } = useRuns(runs);
  const href = hrefOf({ runs });
  return (
    <Part title={title} href={href}>
      {value ? (
        <Lines
          label={title}
          rows={value.runs.slice(0, most)}
          id={({ id }) => id}
          most={most}
          href={href}
          none={noRun(runs)}
          line={(run) => (hasEnded(run.state) ? <EndedRun run={run} /> : <OpenRun run={run} />)}
        />
      ) : (
        <Unread what="the runs" error={error} retry={reload} />
      )}
    </Part>
  );
}

function EndedRun({ run }: { run: RunInfo }) {
  return (
    <>
      <Mark tone={toneOfRun[run.state]} word={run.state} />
      <Link class="home-what mono" href={`/flows/${run.id}`}>
        {run.flow}
      </Link>
      <span class="quiet small">
        {run.ended_at !== undefined && <Time at={run.ended_at} />}, {runTook(run, now.value)}
      </span>
      {run.error && run.state === "failed" && <span class="home-why small">{run.error.message}</span>}
    </>
  );
}
