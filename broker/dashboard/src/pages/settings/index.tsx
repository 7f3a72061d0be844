/** Settings: who and what is let in, with which keys; the secrets of services outside; the broker itself. */
import { Link, Redirect, useLocation } from "wouter-preact";
import { Empty } from "../../ui/empty";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import { Account } from "./account";
import { Aspects } from "./aspects";
import { BrokerTab } from "./broker";
import { Credentials } from "./credentials";
import { People } from "./people";
import "./settings.css";

const TABS = [
  { path: "aspects", title: "Aspects", view: Aspects },
  { path: "credentials", title: "Credentials", view: Credentials },
  { path: "people", title: "People", view: People },
  { path: "you", title: "You", view: Account },
  { path: "broker", title: "Broker", view: BrokerTab },
] as const;

export default function Settings() {
  const [location, go] = useLocation();
  const name = location.split("/")[2] ?? "";
  const at = TABS.findIndex((tab) => tab.path === name);
  const step = (by: number) =>
    go(`/settings/${TABS[(at + by + TABS.length) % TABS.length]?.path ?? "aspects"}`);
  useKeys("Settings", [
    { keys: "[", does: "The tab before", act: () => step(-1) },
    { keys: "]", does: "The next tab", act: () => step(1) },
  ]);
  if (name === "") return <Redirect to="/settings/aspects" replace />;
  const View = TABS[at]?.view;
  return (
    <Page title="Settings">
      <nav class="tabs" aria-label="Settings">
        {TABS.map(({ path, title }) => (
          <Link
            key={path}
            href={`/settings/${path}`}
            class={path === name ? "tab tab-here" : "tab"}
            aria-current={path === name ? "page" : undefined}
          >
            {title}
          </Link>
        ))}
        <Link href="/usage#budgets" class="tab">
          Budgets
        </Link>
      </nav>
      {View ? <View /> : <Empty title="There are no such settings." />}
    </Page>
  );
}
