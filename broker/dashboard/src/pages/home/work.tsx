/** What is at work now, and what became of the last runs. */
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { useLoad, useLog, useSoon } from "../../link/use";
import { DispatchMark, Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Time } from "../../ui/time";
import type { DispatchInfo, RunInfo } from "../../wire/frames";
import { hasEnded, progress, took as runTook, toneOfRun } from "../flows/words";
import { took } from "../work/words";
import { Lines, Part, Unread } from "./part";

const READ = 50;
const MOST = 8;
const RUNS = 6;
const SETTLE_MS = 1_000;

type Open = { run: RunInfo } | { dispatch: DispatchInfo };

/** Runs that no other run is a step of, and dispatches that are no step of a run: the others are part of these. */
async function readOpen(): Promise<Open[]> {
  const [{ runs }, { dispatches }] = await Promise.all([
    link.ask("run.list", { limit: READ }),
    link.ask("dispatch.list", { open: true, limit: READ }),
  ]);
  return [
    ...runs.filter(({ parent }) => parent === undefined).map((run) => ({ run })),
    ...dispatches
      .filter(({ run, parent }) => run === undefined && parent === undefined)
      .map((dispatch) => ({ dispatch })),
  ];
}

export function AtWork() {
  const { value, error, reload } = useLoad(readOpen, []);
  const soon = useSoon(reload, SETTLE_MS);
  useLog(({ body }) => {
    const moves = ["dispatch_accepted", "dispatch_assigned", "dispatch_ended"].includes(body.type);
    if (moves || (body.type === "other" && /^(run|dispatch)\./.test(body.kind))) soon();
  });
  return (
    <Part title="At work" href="/work?show=open" count={value?.length || undefined}>
      {value ? (
        <Lines
          label="At work"
          rows={value}
          id={(open) => ("run" in open ? open.run.id : open.dispatch.id)}
          most={MOST}
          href="/work?show=open"
          none="Nothing is at work."
          line={(open) =>
            "run" in open ? <RunLine run={open.run} /> : <DispatchLine dispatch={open.dispatch} />
          }
        />
      ) : (
        <Unread what="what is at work" error={error} retry={reload} />
      )}
    </Part>
  );
}

function RunLine({ run }: { run: RunInfo }) {
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

function DispatchLine({ dispatch }: { dispatch: DispatchInfo }) {
  return (
    <>
      <DispatchMark state={dispatch.state} />
      <Link class="home-what mono" href={`/work/${dispatch.id}`}>
        {dispatch.hand}
      </Link>
      <span class="quiet small">
        for {dispatch.invoker}, {took(dispatch, now.value)}
      </span>
    </>
  );
}

export function LastRuns() {
  const { value, error, reload } = useLoad(() => link.ask("run.list", { all: true, limit: READ }), []);
  const soon = useSoon(reload, SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("run.")) soon();
  });
  const ended = value?.runs.filter(({ parent, state }) => parent === undefined && hasEnded(state));
  return (
    <Part title="Last runs" href="/flows">
      {ended ? (
        <Lines
          label="Last runs"
          rows={ended.slice(0, RUNS)}
          id={({ id }) => id}
          most={RUNS}
          href="/flows"
          none="No flow has been run to its end yet."
          line={(run) => (
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
          )}
        />
      ) : (
        <Unread what="the runs" error={error} retry={reload} />
      )}
    </Part>
  );
}
