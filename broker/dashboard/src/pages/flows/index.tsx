/** Flows and their runs: what is at work step by step, what became of it, and what can be run. */
import { useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { link } from "../../link/link";
import { useLoad, useLog, useSoon } from "../../link/use";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { useKeys } from "../../ui/keys";
import { Mark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Page } from "../../ui/page";
import { Split } from "../../ui/split";
import { type Column, Table } from "../../ui/table";
import { Tabs } from "../../ui/tabs";
import { Time } from "../../ui/time";
import type { FlowHead, RunInfo } from "../../wire/frames";
import { Definition } from "./definition";
import { Run } from "./run";
import { progress, took, toneOfRun } from "./words";
import "./flows.css";

const PAGE = 50;

async function flows(): Promise<FlowHead[]> {
  const all: FlowHead[] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const page = await link.ask("flow.list", after === undefined ? {} : { after });
    all.push(...page.flows);
    if (page.more !== true || page.flows.length === 0) return all;
  }
}

/** `/flows` and `/flows/<run>` are the runs, `/flows/of/<flow>` is a flow. */
export default function Flows() {
  const [path, go] = useLocation();
  const [, , first, second] = path.split("/");
  const show = new URLSearchParams(useSearch()).get("show");
  const isFlow = first === "of";
  const defined = isFlow || show === "flows";
  const chosen = isFlow ? second : first || undefined;
  const back = () => go(defined ? "/flows?show=flows" : "/flows");
  useKeys("Flows", [{ keys: "Escape", does: "Back to the list", act: back }]);
  return (
    <Page title="Flows">
      <Split
        class="flows"
        open={chosen !== undefined}
        list={
          <>
            <Tabs
              label="What is shown"
              tabs={[
                { href: "/flows", title: "Runs", here: !defined },
                { href: "/flows?show=flows", title: "Flows", here: defined },
              ]}
            />
            {defined ? (
              <Definitions chosen={chosen} onOpen={(flow) => go(`/flows/of/${flow}`)} />
            ) : (
              <Runs chosen={chosen} onOpen={(run) => go(`/flows/${run}`)} />
            )}
          </>
        }
      >
        {chosen !== undefined &&
          (isFlow ? (
            <Definition key={chosen} id={chosen} onClose={back} onRun={(run) => go(`/flows/${run}`)} />
          ) : (
            <Run key={chosen} id={chosen} onClose={back} onOpen={(run) => go(`/flows/${run}`)} />
          ))}
      </Split>
    </Page>
  );
}

function Runs({ chosen, onOpen }: { chosen: string | undefined; onOpen: (run: string) => void }) {
  const [limit, setLimit] = useState(PAGE);
  const { value, error, loading, reload } = useLoad(
    () => link.ask("run.list", { all: true, limit }),
    [limit],
  );
  const soon = useSoon(reload);
  useLog(({ body }) => {
    const moves = ["dispatch_accepted", "dispatch_ended"].includes(body.type);
    if (moves || (body.type === "other" && /^(run|approval)\./.test(body.kind))) soon();
  });
  if (loading) return <Loading what="the runs" />;
  if (!value) return error ? <Fault what="The runs could not be read" error={error} retry={reload} /> : null;
  if (value.runs.length === 0) {
    return (
      <Empty title="No flow has been run yet.">
        A flow is several steps as one piece of work. Write one down, keep it with{" "}
        <code>nexctl flow put FILE</code>, and run it: it is under Flows then.
      </Empty>
    );
  }
  return (
    <>
      <Table
        label="Runs"
        columns={chosen === undefined ? runColumns : runColumns.slice(0, 4)}
        rows={value.runs}
        id={({ id }) => id}
        selected={chosen}
        onOpen={({ id }) => onOpen(id)}
      />
      {value.more === true && <Button onClick={() => setLimit(limit + PAGE)}>Show older ones</Button>}
    </>
  );
}

const runColumns: Column<RunInfo>[] = [
  { head: "State", cell: ({ state }) => <Mark tone={toneOfRun[state]} word={state} /> },
  { head: "Flow", cell: ({ flow }) => <span class="mono">{flow}</span> },
  { head: "Started", cell: ({ accepted_at }) => <Time at={accepted_at} /> },
  { head: "Steps", number: true, cell: progress },
  { head: "Took", number: true, cell: (info) => took(info, now.value) },
  { head: "For", cell: ({ by }) => by },
  { head: "About", class: "flows-about", cell: (info) => <About info={info} /> },
];

function About({ info: { error, parent, steps, state } }: { info: RunInfo }) {
  if (error && state !== "done") return <>{error.message}</>;
  const working = steps.filter(({ state }) => state === "running").map(({ id }) => id);
  if (working.length > 0) return <span class="mono">{working.join(", ")}</span>;
  return <span class="quiet">{parent === undefined ? "" : `step ${parent.step} of another run`}</span>;
}

function Definitions({ chosen, onOpen }: { chosen: string | undefined; onOpen: (flow: string) => void }) {
  const { value, error, loading, reload } = useLoad(flows, []);
  const soon = useSoon(reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("flow.")) soon();
  });
  if (loading) return <Loading what="the flows" />;
  if (!value) return error ? <Fault what="The flows could not be read" error={error} retry={reload} /> : null;
  if (value.length === 0) {
    return (
      <Empty title="No flow is kept yet.">
        Write one as YAML or TOML and keep it with <code>nexctl flow put FILE</code>; what is wrong with it is
        said with line and column.
      </Empty>
    );
  }
  return (
    <Table
      label="Flows"
      columns={chosen === undefined ? flowColumns : flowColumns.slice(0, 3)}
      rows={value}
      id={({ id }) => id}
      selected={chosen}
      onOpen={({ id }) => onOpen(id)}
    />
  );
}

const flowColumns: Column<FlowHead>[] = [
  { head: "Flow", cell: ({ id }) => <span class="mono">{id}</span> },
  { head: "Steps", number: true, cell: ({ steps }) => steps },
  { head: "Kept", cell: ({ at }) => <Time at={at} /> },
  { head: "By", cell: ({ by }) => by },
  { head: "Version", number: true, cell: ({ version }) => version },
  { head: "About", class: "flows-about", cell: ({ description }) => description },
];
