/** Team: who is here, what they do and what it costs today; who talks to whom. */
import { useEffect } from "preact/hooks";
import { useLocation, useRoute } from "wouter-preact";
import { useAsk, useLog, useSoon } from "../../link/use";
import { team, teamKnown } from "../../state/team";
import { Loading } from "../../ui/empty";
import { money } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { AspectMark } from "../../ui/mark";
import { now } from "../../ui/now";
import { Page } from "../../ui/page";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { AspectInfo, UsageRow } from "../../wire/frames";
import { Doing } from "./doing";
import { Nobody } from "./nobody";
import { Panel } from "./panel";
import { Picture } from "./picture";
import { readTalks } from "./talks";
import "./team.css";

const DAY_MS = 86_400_000;

export default function Team() {
  const [, params] = useRoute("/team/:name?");
  const [, go] = useLocation();
  const selected = params?.name;
  // Days are counted in UTC, as budgets are.
  const today = Math.floor(now.value / DAY_MS) * DAY_MS;
  const usage = useAsk("usage.read", { by: "aspect", since: today });
  const soon = useSoon(usage.reload, 2_000);
  useLog(({ body }) => {
    if (body.type === "dispatch_ended" || (body.type === "message" && body.meta)) soon();
  });
  useEffect(() => void readTalks().catch(() => undefined), []);
  useKeys("Team", [
    { keys: "j", does: "To the roster; arrows move, Enter opens", act: focusRow },
    { keys: "Escape", does: "Close the aspect", act: () => go("/team") },
  ]);
  const costs = new Map((usage.value?.rows ?? []).map((row) => [row.key, cost(row)]));
  const columns: Column<AspectInfo>[] = [
    { head: "Aspect", cell: (it) => <span class="aspect-name">{it.name}</span> },
    { head: "State", cell: (it) => <AspectMark state={it.state} /> },
    { head: "Does", cell: (it) => <Doing aspect={it} />, class: "aspect-does" },
    { head: "Since", cell: (it) => <Time at={it.since} /> },
    { head: "Model", cell: (it) => <code class="quiet">{it.model}</code> },
    { head: "Today", cell: (it) => costs.get(it.name) ?? "—", number: true },
  ];
  const total = usage.value && cost(usage.value.total);
  return (
    <Page
      title="Team"
      actions={
        total !== undefined && (
          <span class="quiet">
            today <span class="number">{total}</span>
          </span>
        )
      }
    >
      <div class={selected === undefined ? "team" : "team team-open"}>
        <div class="team-roster">
          {!teamKnown.value && <Loading what="the roster" />}
          {teamKnown.value && team.value.length === 0 && <Nobody />}
          {team.value.length > 0 && (
            <Table
              label="Roster"
              columns={columns}
              rows={team.value}
              id={(it) => it.name}
              selected={selected}
              onOpen={(it) => go(`/team/${it.name}`)}
            />
          )}
        </div>
        <div class="team-side">
          {selected !== undefined && (
            <Panel key={selected} name={selected} cost={costs.get(selected) ?? "—"} />
          )}
          {team.value.length > 0 && <Picture selected={selected} onSelect={(name) => go(`/team/${name}`)} />}
        </div>
      </div>
    </Page>
  );
}

function focusRow(): void {
  const rows = [...document.querySelectorAll<HTMLElement>(".team-roster tbody tr")];
  (rows.find((it) => it.getAttribute("aria-selected") === "true") ?? rows[0])?.focus();
}

/** What nobody knows the price of is more than it looks. */
function cost(row: UsageRow): string {
  return row.unpriced > 0 && row.cost_microusd > 0
    ? `${money(row.cost_microusd)} +`
    : money(row.cost_microusd);
}
