/** What the rows of a registry have to be like, and who may write them. */
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Fact } from "../../ui/fact";
import { bytes, count } from "../../ui/format";
import { Party } from "../../ui/party";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import type { RegistryField, RegistryInfo } from "../../wire/frames";
import { columnsOf, show } from "./cells";

export function Definition({ info, onChange }: { info: RegistryInfo; onChange: () => void }) {
  const { registry, version, by, at, rows, bytes: size } = info;
  const writers = registry.writers ?? [];
  return (
    <div class="definition">
      <dl class="facts">
        <Fact name="A row is named by">
          {registry.key === undefined ? "an id the broker gives it" : <code>{registry.key}</code>}
        </Fact>
        <Fact name="Written by">
          {writers.length === 0 ? "operators and admins" : `operators, admins, ${writers.join(", ")}`}
        </Fact>
        <Fact name="Rows">
          {count(rows)}, {bytes(size)}
        </Fact>
        <Fact name="Definition">
          version {version} by <Party party={by} />, <Time at={at} />
        </Fact>
      </dl>
      <Table label="Fields" columns={columns} rows={columnsOf(registry)} id={({ name }) => name} />
      {mayAct.value && (
        <p>
          <Button onClick={onChange}>Change…</Button>{" "}
          <span class="quiet">What the rows that are there do not fit is refused.</span>
        </p>
      )}
    </div>
  );
}

const columns: Column<RegistryField>[] = [
  { head: "Field", cell: ({ name }) => <span class="mono">{name}</span> },
  { head: "Type", cell: ({ type }) => type },
  { head: "Required", cell: ({ required }) => (required === true ? "yes" : <span class="quiet">–</span>) },
  { head: "Unique", cell: ({ unique }) => (unique === true ? "yes" : <span class="quiet">–</span>) },
  {
    head: "Values",
    cell: ({ enum: options = [] }) =>
      options.length === 0 ? <span class="quiet">any</span> : <code>{options.map(show).join(", ")}</code>,
  },
  { head: "About", cell: ({ description = "" }) => description },
];
