/** Somebody came in between: what they made of the row, beside what is about to be written. */
import { Mark } from "../../ui/mark";
import { Party } from "../../ui/party";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { RegistryRow } from "../../wire/frames";
import { type Clash, type Values, clashes, show } from "./cells";
import type { Between } from "./write";

interface Props {
  between: Between;
  /** The row as it was when the writing began; undefined for one that was to be new. */
  base: RegistryRow | undefined;
  /** What is about to be written; nothing of a row that is to go. */
  mine: Values;
}

export function Conflict({ between, base, mine }: Props) {
  const { row } = between;
  return (
    <div class="conflict" role="alert">
      <p>
        <Mark tone="deaf" word="conflict" />{" "}
        {row ? (
          <>
            {base ? "The row was changed meanwhile" : `There is a row ${row.row} already, written`} by{" "}
            <Party party={row.by} />, <Time at={row.at} />: version {row.version}.
          </>
        ) : (
          "The row was removed meanwhile. What it was is in its history."
        )}
      </p>
      {row && (
        <Table
          label="Yours and theirs"
          columns={columns}
          rows={clashes(base?.values ?? {}, mine, row.values)}
          id={({ field }) => field}
        />
      )}
    </div>
  );
}

const columns: Column<Clash>[] = [
  { head: "Field", cell: ({ field }) => <span class="mono">{field}</span> },
  { head: "It was", cell: ({ before }) => <Value value={before} /> },
  {
    head: "Yours",
    cell: (clash) => ("mine" in clash ? <Value value={clash.mine} /> : <span class="quiet">as it is</span>),
  },
  { head: "It is now", cell: ({ theirs }) => <Value value={theirs} /> },
];

export function Value({ value }: { value: unknown }) {
  const text = show(value);
  return text === "" ? (
    <span class="quiet" title="no value">
      –
    </span>
  ) : (
    <span class="value">{text}</span>
  );
}
