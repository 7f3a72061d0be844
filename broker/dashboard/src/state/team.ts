/** The roster as it stands, with what each aspect is doing; and what somebody should look at. */
import { computed, signal } from "@preact/signals";
import { link } from "../link/link";
import type { Alert, AspectInfo } from "../wire/frames";

/** By name. */
export const team = signal<readonly AspectInfo[]>([]);
/** False until the roster was read once. */
export const teamKnown = signal(false);
/** Open alerts, the latest raised first. */
export const alerts = signal<readonly Alert[]>([]);
/** False until they were read once. */
export const alertsKnown = signal(false);
/** How many approvals wait for an answer. */
export const approvalsOpen = signal(0);
/** Alerts nobody has acknowledged. */
export const alertsNew = computed(() => alerts.value.filter((it) => it.acked_at === undefined).length);

export const aspectOf = (name: string): AspectInfo | undefined => team.value.find((it) => it.name === name);

function put(aspect: AspectInfo): void {
  const others = team.value.filter((it) => it.name !== aspect.name);
  team.value = [...others, aspect].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function readTeam(): Promise<void> {
  const aspects: AspectInfo[] = [];
  for (let more = true; more;) {
    const after = aspects.at(-1)?.name;
    const page = await link.ask("team.list", after === undefined ? {} : { after });
    aspects.push(...page.aspects);
    more = page.more === true && page.aspects.length > 0;
  }
  team.value = aspects;
  teamKnown.value = true;
}

export async function readAlerts(): Promise<void> {
  alerts.value = (await link.ask("alert.list", { limit: 200 })).alerts;
  alertsKnown.value = true;
}

async function readApprovals(): Promise<void> {
  approvalsOpen.value = (await link.ask("approval.list", { limit: 200 })).approvals.length;
}

const ignore = () => undefined;

link.on("fresh", () => {
  readTeam().catch(ignore);
  readAlerts().catch(ignore);
  readApprovals().catch(ignore);
});
link.on("roster.changed", ({ aspect }) => {
  // What it does comes by frames of its own, and a change of the roster need not have it.
  const activity = aspect.activity ?? aspectOf(aspect.name)?.activity;
  put(aspect.state === "offline" || !activity ? aspect : { ...aspect, activity });
});
link.on("activity", ({ aspect, activity }) => {
  const known = aspectOf(aspect);
  if (known) put({ ...known, activity });
});
link.on("log", ({ body }) => {
  if (body.type === "alert") readAlerts().catch(ignore);
  if (body.type !== "other") return;
  if (body.kind.startsWith("approval.")) readApprovals().catch(ignore);
  if (body.kind === "aspect.revoked") team.value = team.value.filter((it) => it.name !== body.subject);
});
