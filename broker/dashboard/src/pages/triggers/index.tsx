/** Triggers: what the team does while nobody types, when it will, and what became of each time. */
import { useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { useKeys } from "../../ui/keys";
import { Mark } from "../../ui/mark";
import { Page } from "../../ui/page";
import { Split } from "../../ui/split";
import { type Column, Table } from "../../ui/table";
import { Tabs } from "../../ui/tabs";
import { Time } from "../../ui/time";
import type { TriggerInfo } from "../../wire/frames";
import { Calendar } from "./calendar";
import { Detail } from "./detail";
import { TriggerForm } from "./form/dialog";
import { Plan } from "./plan";
import { readTriggers } from "./read";
import { act, byNext, toneOfStatus, when } from "./words";
import "./triggers.css";

export default function Triggers() {
  const [path, go] = useLocation();
  const asked = new URLSearchParams(useSearch()).get("show");
  const show = asked === "plan" || asked === "week" ? asked : "all";
  const search = show === "all" ? "" : `?show=${show}`;
  const chosen = path.split("/")[2] || undefined;
  const [adding, setAdding] = useState(false);
  const { value, error, loading, reload } = useLoad(() => readTriggers(), []);
  const soon = useSoon(reload);
  useLog(({ body }) => {
    const settles = ["message", "dispatch_ended", "item_closed", "alert"];
    if (settles.includes(body.type) || (body.type === "other" && body.kind.startsWith("trigger."))) soon();
  });
  const address = (name: string | undefined) => `/triggers${name === undefined ? "" : `/${name}`}${search}`;
  const open = (name: string | undefined) => go(address(name));
  useKeys("Triggers", [
    ...(mayAct.value ? [{ keys: "n", does: "New trigger", act: () => setAdding(true) }] : []),
    { keys: "Escape", does: "Back to the list", act: () => open(undefined) },
  ]);
  const all = [...(value ?? [])].sort(byNext);
  const info = all.find(({ definition }) => definition.name === chosen);
  const names = all.map(({ definition }) => definition.name);
  return (
    <Page
      title="Triggers"
      actions={
        mayAct.value && (
          <Button kind="primary" title="n" onClick={() => setAdding(true)}>
            New trigger
          </Button>
        )
      }
    >
      <Split
        open={chosen !== undefined}
        list={
          <>
            <Tabs
              label="What is shown"
              tabs={[
                { href: "/triggers", title: "All", here: show === "all" },
                { href: "/triggers?show=plan", title: "Plan", here: show === "plan" },
                { href: "/triggers?show=week", title: "Week", here: show === "week" },
              ]}
            />
            {error && <Fault what="The triggers could not be read" error={error} retry={reload} />}
            {loading && <Loading what="the triggers" />}
            {value?.length === 0 && (
              <Empty title="Nothing happens by itself yet.">
                A trigger asks an aspect, sends work to a Hand or runs a flow: by a schedule, once, when
                something comes into the log, after another trigger, when files or an address change, or by a
                webhook.{" "}
                {mayAct.value ? (
                  <>
                    Make one with <em>New trigger</em>.
                  </>
                ) : (
                  "An operator or an admin can make one."
                )}
              </Empty>
            )}
            {all.length > 0 && show === "plan" && <Plan all={all} onOpen={open} />}
            {all.length > 0 && show === "week" && <Calendar all={all} chosen={chosen} address={address} />}
            {all.length > 0 && show === "all" && (
              <Table
                label="Triggers"
                columns={chosen === undefined ? columns : columns.slice(0, 3)}
                rows={all}
                id={({ definition }) => definition.name}
                selected={chosen}
                onOpen={({ definition }) => open(definition.name)}
              />
            )}
          </>
        }
      >
        {chosen !== undefined && value && (
          <Detail
            key={chosen}
            name={chosen}
            info={info}
            names={names}
            onChanged={reload}
            onClose={() => open(undefined)}
          />
        )}
      </Split>
      {adding && (
        <TriggerForm
          names={names}
          onClose={() => setAdding(false)}
          onSet={(name) => {
            reload();
            open(name);
          }}
        />
      )}
    </Page>
  );
}

const columns: Column<TriggerInfo>[] = [
  { head: "Trigger", cell: ({ definition }) => <span class="mono">{definition.name}</span> },
  { head: "Status", cell: (info) => <Status info={info} /> },
  {
    head: "Next",
    cell: ({ next, status }) =>
      next === undefined || status !== "active" ? <span class="quiet">–</span> : <Time at={next} />,
  },
  { head: "When", cell: ({ definition }) => when(definition) },
  { head: "Sets to work", cell: ({ definition }) => <span class="mono">{act(definition).who}</span> },
  { head: "With", class: "triggers-with", cell: ({ definition }) => act(definition).what },
];

function Status({ info: { status, failures } }: { info: TriggerInfo }) {
  if (status === "active" && failures > 0) {
    return <Mark tone="stalled" word={`active, failed ${failures === 1 ? "once" : `${failures} times`}`} />;
  }
  return <Mark tone={toneOfStatus[status]} word={status} />;
}
