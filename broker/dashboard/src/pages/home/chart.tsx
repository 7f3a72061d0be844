/** What was spent, as bars. Fetched by itself, because what draws them is large. */
import { count, brief, money } from "../../ui/format";
import { now } from "../../ui/now";
import type { HomeUsage } from "../../wire/http";
import { Chart } from "../usage/chart";
import { DAY_MS } from "../usage/range";
import { KINDS, barsOf, dollars } from "../usage/series";
import { BY_WORDS } from "../usage/table";
import { Part, Unread } from "./part";
import { figureText, useSpent } from "./side";
import { hrefOf } from "./words";
import "../usage/usage.css";

export default function Spent({ title, usage }: { title: string; usage: HomeUsage }) {
  const { by = "aspect", figure } = usage;
  const { value, error, reload, since } = useSpent(usage);
  const href = hrefOf({ usage });
  if (!value) {
    return (
      <Part title={title} href={href}>
        <Unread what="what was spent" error={error} retry={reload} />
      </Part>
    );
  }
  const bars = barsOf(value, { since }, Math.floor(now.value / DAY_MS) * DAY_MS);
  const tokens = bars.keys.map((_, at) =>
    KINDS.reduce((sum, __, kind) => sum + (bars.tokens[kind]?.[at] ?? 0), 0),
  );
  const isTokens = figure === "tokens";
  const values = isTokens ? tokens : bars.cost;
  const what = isTokens ? "Tokens" : "Cost";
  // The numbers are said in words, for those who do not see the bars.
  const said = bars.keys.map(
    (key, at) => `${key} ${isTokens ? count(values[at] ?? 0) : `$${(values[at] ?? 0).toFixed(2)}`}`,
  );
  return (
    <Part title={title} href={href} count={figureText(figure, value.total)}>
      {values.every((it) => it === 0) ? (
        <p class="quiet">Nothing was spent in this time{isTokens ? "" : " that has a price"}.</p>
      ) : (
        <div class="charts">
          <Chart
            label={`${what} by ${BY_WORDS[by].toLowerCase()}: ${said.join(", ")}`}
            keys={bars.keys}
            short={(key) => (by === "day" ? key.slice(5) : key)}
            series={[{ name: what, values, look: "plain" }]}
            format={(it) => (isTokens ? count(it) : money(Math.round(it * 1_000_000)))}
            tick={isTokens ? brief : dollars}
          />
        </div>
      )}
    </Part>
  );
}
