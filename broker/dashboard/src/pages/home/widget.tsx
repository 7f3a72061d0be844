/** One part of the home page, by its kind and by what it shows. What this page is too old for is said. */
import { lazily } from "../../ui/lazy";
import { Markdown } from "../../ui/markdown";
import type { HomeSource, HomeWidget } from "../../wire/http";
import { Part } from "./part";
import { Rows } from "./rows";
import { Plan, Spent, Team } from "./side";
import { Stat } from "./stat";
import { PlanAlong, RunsAlong } from "./timeline";
import { Alerts, Approvals, Waits } from "./waits";
import { HOURS, hrefOf, titleOf } from "./words";
import { AtWork, Runs } from "./work";

/** Lines, where the layout does not say how many. */
const MOST = 8;

const Chart = lazily(() => import("./chart"), "the chart");
const Chat = lazily(() => import("./chat"), "the thread");

export function Widget({ widget }: { widget: HomeWidget }) {
  const { kind, source, text = "", limit: most = MOST } = widget;
  const title = titleOf(widget);
  if (kind === "markdown") {
    return (
      <Part title={title}>
        <Markdown text={text} />
      </Part>
    );
  }
  if (kind === "agents") return <Team title={title} most={most} />;
  if (source !== undefined) {
    if (kind === "stat") return <Stat title={title} href={hrefOf(source)} source={source} />;
    if (kind === "table") return <Table title={title} most={most} source={source} />;
    if (kind === "timeline" && "runs" in source) {
      return <RunsAlong title={title} most={most} runs={source.runs} />;
    }
    if (kind === "timeline" && "triggers" in source) {
      return <PlanAlong title={title} most={most} hours={source.triggers.hours ?? HOURS} />;
    }
    if (kind === "chart" && "usage" in source) return <Chart title={title} usage={source.usage} />;
    if (kind === "chat" && "thread" in source)
      return <Chat title={title} most={most} thread={source.thread} />;
  }
  return <Unknown title={title} />;
}

function Table({ title, most, source }: { title: string; most: number; source: HomeSource }) {
  if ("alerts" in source) return <Alerts title={title} most={most} />;
  if ("approvals" in source) return <Approvals title={title} most={most} />;
  if ("registry" in source) return <Rows title={title} most={most} registry={source.registry} />;
  if ("runs" in source) return <Runs title={title} most={most} runs={source.runs} />;
  if ("triggers" in source) return <Plan title={title} most={most} hours={source.triggers.hours ?? HOURS} />;
  if ("usage" in source) return <Spent title={title} most={most} usage={source.usage} />;
  if ("waits" in source) return <Waits title={title} most={most} />;
  if ("work" in source) return <AtWork title={title} most={most} />;
  return <Unknown title={title} />;
}

/** Of a broker that is newer than this page. */
function Unknown({ title }: { title: string }) {
  return (
    <Part title={title}>
      <p class="quiet">This page is older than the broker. Load it again to see this part.</p>
    </Part>
  );
}
