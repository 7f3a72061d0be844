/** Alerts: what somebody should look at, what is wrong with it and what to do; and what is over. */
import { useEffect } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { asError, useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { alerts, alertsKnown, readAlerts } from "../../state/team";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { Tabs } from "../../ui/tabs";
import { toast } from "../../ui/toast";
import type { Alert } from "../../wire/frames";
import { Line, acknowledge } from "./line";
import { byNeed } from "./words";
import "./alerts.css";

const PAGE = 50;

export default function Alerts() {
  const all = new URLSearchParams(useSearch()).get("show") === "all";
  const [, go] = useLocation();
  // What cannot be written down is no entry of the log, and an alert all the same.
  useEffect(() => void readAlerts().catch(() => undefined), []);
  useKeys("Alerts", [
    { keys: "j", does: "To the next", act: () => step(1) },
    { keys: "k", does: "To the one before", act: () => step(-1) },
    { keys: "o", does: "What is open alone, or all", act: () => go(all ? "/alerts" : "/alerts?show=all") },
    ...(mayAct.value ? [{ keys: "a", does: "Acknowledge the one you are at", act: acknowledgeHere }] : []),
  ]);
  return (
    <Page title="Alerts">
      <Tabs
        label="What is shown"
        tabs={[
          { href: "/alerts", title: "Open", here: !all },
          { href: "/alerts?show=all", title: "All", here: all },
        ]}
      />
      {all ? <All /> : <Open />}
    </Page>
  );
}

function Open() {
  if (!alertsKnown.value) return <Loading what="the alerts" />;
  if (alerts.value.length === 0) {
    return (
      <Empty title="Nothing wants your attention.">
        The broker raises an alert when an aspect is missing or stuck, when work is lost, a budget is used up
        or a trigger does not work, and says what to do.
      </Empty>
    );
  }
  const sorted = [...alerts.value].sort(byNeed);
  const isNew = (alert: Alert) => alert.acked_at === undefined;
  return (
    <div class="alerts">
      <Group title="Nobody has seen these yet" alerts={sorted.filter(isNew)} />
      <Group title="Seen, and not over" alerts={sorted.filter((alert) => !isNew(alert))} />
    </div>
  );
}

function Group({ title, alerts }: { title: string; alerts: readonly Alert[] }) {
  if (alerts.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="quiet number">{alerts.length}</span>
      </h2>
      <ul>
        {alerts.map((alert) => (
          <Line key={alert.key} alert={alert} />
        ))}
      </ul>
    </section>
  );
}

/** Those that are over, too, the latest raised first. */
function All() {
  const pages = usePages<Alert>(async (before) => {
    const from = before === undefined ? {} : { before: Number(before) };
    const page = await link.ask("alert.list", { all: true, limit: PAGE, ...from });
    const last = page.alerts.at(-1);
    return { rows: page.alerts, next: page.more && last ? String(last.seq) : undefined };
  }, []);
  const soon = useSoon(pages.reload);
  useLog(({ body }) => {
    if (body.type === "alert") soon();
  });
  if (pages.error && !pages.rows) {
    return <Fault what="The alerts could not be read" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="the alerts" />;
  if (pages.rows.length === 0) return <Empty title="There has been no alert yet." />;
  return (
    <section class="alerts" aria-label="All alerts">
      <ul>
        {pages.rows.map((alert) => (
          <Line key={`${alert.key} ${alert.seq}`} alert={alert} />
        ))}
      </ul>
      {pages.more && (
        <p>
          <Button onClick={pages.loadMore}>Older ones</Button>
        </p>
      )}
    </section>
  );
}

const shown = () => [...document.querySelectorAll<HTMLElement>("[data-alert]")];

function step(by: number): void {
  const all = shown();
  const at = all.findIndex((line) => line.contains(document.activeElement));
  (all[at === -1 ? 0 : at + by] ?? all[at])?.focus();
}

function acknowledgeHere(): void {
  const here = shown().find((line) => line.contains(document.activeElement));
  const alert = alerts.value.find(
    ({ key, acked_at }) => key === here?.dataset.alert && acked_at === undefined,
  );
  if (alert) acknowledge(alert).catch((error: unknown) => toast(asError(error).message, "failed"));
}
