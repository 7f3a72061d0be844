/** Home: parts as the workspace lays them out, or as Nexus ships them; each asks the broker what it shows, and stays current. */
import { Link } from "wouter-preact";
import { rest } from "../../link/rest";
import { useLoad, useLog, useSoon } from "../../link/use";
import { Mark } from "../../ui/mark";
import { Page } from "../../ui/page";
import type { Home as Layout } from "../../wire/http";
import { type Cell, bandsOf } from "./bands";
import { Unread } from "./part";
import { Widget } from "./widget";
import "./home.css";

/** Until the broker has said of all files what is wrong with them. */
const SETTLE_MS = 1_000;

export default function Home() {
  const { value, error, reload } = useLoad(() => rest<Layout>("GET", "home"), []);
  const soon = useSoon(reload, SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind === "home.changed") soon();
    if (body.type === "alert" && body.kind === "workspace_fault") soon();
  });
  return (
    <Page title="Home">
      {value ? (
        <>
          {value.fault !== undefined && <Faulty fault={value.fault} file={value.file} />}
          <div class="home">
            {bandsOf(value.widgets).map(({ full, wide, narrow }, at) => (
              <div
                key={at}
                class={full || wide.length * narrow.length === 0 ? "home-band" : "home-band home-two"}
              >
                <Column cells={wide} />
                <Column cells={narrow} />
              </div>
            ))}
          </div>
        </>
      ) : (
        <Unread what="the layout of this page" error={error} retry={reload} />
      )}
    </Page>
  );
}

function Column({ cells }: { cells: readonly Cell[] }) {
  if (cells.length === 0) return null;
  return (
    <div class="home-column">
      {cells.map((cell) => {
        const parts = cell.map(({ at, widget }) => (
          <Widget key={`${at} ${JSON.stringify(widget)}`} widget={widget} />
        ));
        const key = cell[0]?.at;
        return cell[0]?.widget.kind === "stat" ? (
          <div key={key} class="home-stats">
            {parts}
          </div>
        ) : (
          parts
        );
      })}
    </div>
  );
}

function Faulty({ fault, file }: { fault: string; file: string | undefined }) {
  return (
    <p class="home-fault" role="status">
      <Mark tone="failed" word="fault" bare />{" "}
      <Link href="/workspace?show=faults">workspace.yaml:{fault}</Link>. Until it is put right the page is{" "}
      {file === undefined ? "as Nexus ships it" : "as the file said before"}.
    </p>
  );
}
