/** Usage: what was spent, by day, aspect, model, Hand and source; and the budgets that bound it. */
import { useState } from "preact/hooks";
import { useAsk, useLog, useSoon } from "../../link/use";
import { Segments } from "../../ui/choice";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { brief, count, money } from "../../ui/format";
import { now } from "../../ui/now";
import { Page } from "../../ui/page";
import { useQuery } from "../../ui/query";
import type { UsageBy, UsageReport } from "../../wire/frames";
import { Budgets } from "./budgets";
import { Chart } from "./chart";
import type { Look } from "./look";
import { DAY_MS, PRESETS, type Preset, type Range, between, dayText, rangeOf } from "./range";
import { KINDS, KIND_WORDS, allTokens, barsOf, dollars } from "./series";
import { BY_WORDS, UsageTable } from "./table";
import "./usage.css";

const BY: readonly UsageBy[] = ["day", "aspect", "model", "hand", "source"];
const LOOKS: readonly Look[] = ["plain", "rising", "dots", "across"];
/** Sums are read anew at most this often while the team works. */
const SETTLE_MS = 2_000;

const oneOf = <T extends string>(text: string | undefined, all: readonly T[], otherwise: T): T =>
  all.find((it) => it === text) ?? otherwise;

export default function Usage() {
  const [query, setQuery] = useQuery();
  const by = oneOf(query.by, BY, "day");
  const preset = oneOf<Preset | "days">(query.range, [...PRESETS.map((it) => it.value), "days"], "30");
  // The day turns for whoever leaves the page open, and not with every tick of the clock.
  const today = Math.floor(now.value / DAY_MS) * DAY_MS;
  const range = preset === "days" ? between(query.from ?? "", query.to ?? "") : rangeOf(preset, today);
  return (
    <Page title="Usage">
      <div class="usage-controls">
        <Segments
          label="Added up by"
          value={by}
          options={BY.map((value) => ({ value, label: BY_WORDS[value] }))}
          onChange={(by) => setQuery({ by: by === "day" ? "" : by }, true)}
        />
        <Segments<Preset | "days">
          label="Time"
          value={preset}
          options={[...PRESETS, { value: "days", label: "From – to" }]}
          onChange={(range) =>
            setQuery(
              range === "days"
                ? { range, from: dayText(today - 6 * DAY_MS), to: dayText(today) }
                : { range: range === "30" ? "" : range, from: "", to: "" },
              true,
            )
          }
        />
        {preset === "days" && (
          <div class="usage-days">
            <Day label="From" value={query.from ?? ""} onChange={(from) => setQuery({ from }, true)} />
            <Day label="To" value={query.to ?? ""} onChange={(to) => setQuery({ to }, true)} />
          </div>
        )}
        <span class="quiet small">Days are UTC.</span>
      </div>
      <Spent by={by} range={range} today={today} />
      <Budgets />
    </Page>
  );
}

function Day({ label, value, onChange }: { label: string; value: string; onChange: (day: string) => void }) {
  return (
    <input
      class="input"
      type="date"
      aria-label={`${label}, a day`}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function Spent({ by, range, today }: { by: UsageBy; range: Range; today: number }) {
  const report = useAsk("usage.read", { by, ...range });
  const [last, setLast] = useState<UsageReport>();
  const again = useSoon(report.reload, SETTLE_MS);
  useLog(({ body }) => {
    if (body.type === "message" || body.type === "dispatch_ended" || body.type === "item_closed") again();
  });
  if (report.value && report.value !== last) setLast(report.value);
  if (report.error && !report.value) {
    return <Fault what="The usage could not be read" error={report.error} retry={report.reload} />;
  }
  // The old sums stay until the new ones are there, so that the page does not jump.
  const shown = report.value ?? last;
  if (!shown) return <Loading what="usage" />;
  const { total } = shown;
  if (total.messages + total.dispatches === 0) {
    return (
      <Empty title="Nothing was spent in this time.">
        What replies and dispatches use is counted when they end. Take a longer time, or ask somebody
        something.
      </Empty>
    );
  }
  const bars = barsOf(shown, range, today);
  const short = shortNames(shown.by, bars.keys);
  const word = BY_WORDS[shown.by].toLowerCase();
  return (
    <section aria-label="What was spent" class={report.loading ? "spent spent-old" : "spent"}>
      <dl class="sums">
        <Sum what="Cost" value={money(total.cost_microusd)} />
        <Sum what="Tokens" value={count(allTokens(total.usage))} />
        <Sum what="Replies" value={count(total.messages)} />
        <Sum what="Dispatches" value={count(total.dispatches)} />
        {total.unpriced > 0 && <Sum what="Unpriced" value={count(total.unpriced)} />}
      </dl>
      <div class="charts">
        <Chart
          title={`Cost by ${word}`}
          label={`Cost by ${word}: ${money(total.cost_microusd)} in all; the table below has each`}
          keys={bars.keys}
          short={short}
          series={[{ name: "Cost", values: bars.cost, look: "plain" }]}
          format={(usd) => money(Math.round(usd * 1_000_000))}
          tick={dollars}
        />
        <Chart
          title={`Tokens by ${word}`}
          label={`Tokens by ${word}: ${count(allTokens(total.usage))} in all; the table below has each`}
          keys={bars.keys}
          short={short}
          series={KINDS.map((kind, at) => ({
            name: KIND_WORDS[kind],
            values: bars.tokens[at] ?? [],
            look: LOOKS[at] ?? "plain",
          })).filter((it, at) => at < 2 || it.values.some((value) => value > 0))}
          format={count}
          tick={brief}
        />
      </div>
      {bars.others > 0 && (
        <p class="quiet small">
          The charts show the dearest; {bars.others} others stand together. The table has all.
        </p>
      )}
      <UsageTable report={shown} />
    </section>
  );
}

/** Days without their year, models without their provider as far as that tells them apart. */
function shortNames(by: UsageBy, keys: readonly string[]): (key: string) => string {
  if (by === "day") return (key) => key.slice(5);
  const last = (key: string) => key.slice(key.indexOf("/") + 1);
  if (by !== "model" || new Set(keys.map(last)).size < keys.length) return (key) => key;
  return last;
}

function Sum({ what, value }: { what: string; value: string }) {
  return (
    <div>
      <dt>{what}</dt>
      <dd>{value}</dd>
    </div>
  );
}
