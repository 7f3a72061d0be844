/** The numbers behind the charts, with their totals. */
import { count, money } from "../../ui/format";
import type { UsageBy, UsageReport, UsageRow } from "../../wire/frames";
import { KINDS, KIND_WORDS, allTokens, tokensOf } from "./series";

export const BY_WORDS: Record<UsageBy, string> = {
  day: "Day",
  aspect: "Aspect",
  model: "Model",
  hand: "Hand",
  source: "Source",
};

interface Column {
  head: string;
  value: (row: UsageRow) => string;
}

const COLUMNS: readonly Column[] = [
  { head: "Replies", value: (row) => count(row.messages) },
  { head: "Dispatches", value: (row) => count(row.dispatches) },
  ...KINDS.map((kind) => ({
    head: KIND_WORDS[kind],
    value: (row: UsageRow) => count(tokensOf(row.usage, kind)),
  })),
  { head: "Tokens", value: (row) => count(allTokens(row.usage)) },
  { head: "Cost", value: (row) => money(row.cost_microusd) },
  { head: "Unpriced", value: (row) => (row.unpriced === 0 ? "–" : count(row.unpriced)) },
];

export function UsageTable({ report }: { report: UsageReport }) {
  const { by, rows, total, more } = report;
  // The latest day first, as one looks for it.
  const shown = by === "day" ? [...rows].reverse() : rows;
  return (
    <div class="usage-table" tabIndex={0} role="region" aria-label="The numbers">
      <table class="table" aria-label={`Usage by ${BY_WORDS[by]}`}>
        <thead>
          <tr>
            <th scope="col">{BY_WORDS[by]}</th>
            {COLUMNS.map(({ head }) => (
              <th key={head} scope="col" class="number">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <Line key={row.key} name={row.key} row={row} by={by} />
          ))}
        </tbody>
        <tfoot>
          <Line name={more ? "All, rows left out included" : "All"} row={total} by={by} />
        </tfoot>
      </table>
      {total.unpriced > 0 && (
        <p class="quiet small">
          Unpriced: replies and dispatches that used tokens at a price nobody told. They count as tokens and
          as no money.
        </p>
      )}
    </div>
  );
}

function Line({ name, row, by }: { name: string; row: UsageRow; by: UsageBy }) {
  return (
    <tr>
      <th scope="row" data-head={BY_WORDS[by]} class="usage-key">
        {name}
      </th>
      {COLUMNS.map(({ head, value }) => (
        <td key={head} data-head={head} class="number">
          {value(row)}
        </td>
      ))}
    </tr>
  );
}
