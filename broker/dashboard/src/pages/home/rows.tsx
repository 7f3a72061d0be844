/** Rows of a registry: what somebody or some agent wrote, shown as the text it is. */
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import { type Asked, useLoad, useLog, useSoon } from "../../link/use";
import { Mark } from "../../ui/mark";
import { to } from "../../ui/query";
import { type Column, Table } from "../../ui/table";
import type { RegistryField, RegistryRow } from "../../wire/frames";
import type { HomeRegistry } from "../../wire/http";
import { columnsOf, show } from "../registries/cells";
import { Part, Unread } from "./part";
import { hrefOf } from "./words";

/** Columns, where the layout does not name them. */
const COLUMNS = 4;
const SHOWN_CHARS = 160;
/** So many rows are counted. */
const COUNTED_MAX = 1_000;
const SETTLE_MS = 500;

interface Found {
  /** In the order of the layout. */
  fields: readonly RegistryField[];
  /** Columns that the registry does not have. */
  missing: readonly string[];
  rows: readonly RegistryRow[];
  more: boolean;
}

function useTable<T>(registry: HomeRegistry, load: () => Promise<T>): Asked<T> {
  const { name } = registry;
  const asked = useLoad(load, [registry]);
  const soon = useSoon(asked.reload, SETTLE_MS);
  useLog(({ body }) => {
    if (body.type !== "other" || !body.kind.startsWith("registry.")) return;
    if (body.subject === name || body.subject.startsWith(`${name}/`)) soon();
  });
  return asked;
}

/** It may be made later, and is shown then. */
export const isMissing = (error: Error | undefined) => error instanceof Refusal && error.code === "not_found";

const filterOf = ({ where }: HomeRegistry) => (where === undefined ? {} : { filter: where });

/** How many rows there are; with a condition those that are like that are counted, up to a bound. */
export function useCount(registry: HomeRegistry): Asked<{ count: number; more: boolean }> {
  return useTable(registry, async () => {
    if (registry.where === undefined) {
      const { rows } = await link.ask("registry.get", { registry: registry.name });
      return { count: rows, more: false };
    }
    let count = 0;
    for (let after: string | undefined; ;) {
      const of = { registry: registry.name, limit: 200, ...filterOf(registry) };
      const page = await link.ask("registry.read", after === undefined ? of : { ...of, after });
      count += page.rows.length;
      after = page.rows.at(-1)?.row;
      if (page.more !== true || after === undefined) return { count, more: false };
      if (count >= COUNTED_MAX) return { count, more: true };
    }
  });
}

export function Rows({ title, most, registry }: { title: string; most: number; registry: HomeRegistry }) {
  const { value, error, reload } = useTable(registry, async (): Promise<Found> => {
    const [info, page] = await Promise.all([
      link.ask("registry.get", { registry: registry.name }),
      link.ask("registry.read", { registry: registry.name, limit: most, ...filterOf(registry) }),
    ]);
    const all = columnsOf(info.registry);
    const { columns = [] } = registry;
    const fields =
      columns.length === 0
        ? all.slice(0, COLUMNS)
        : columns.flatMap((column) => all.find(({ name }) => name === column) ?? []);
    const missing = columns.filter((column) => !all.some(({ name }) => name === column));
    return { fields, missing, rows: page.rows, more: page.more === true };
  });
  const href = hrefOf({ registry });
  return (
    <Part title={title} href={href}>
      {value ? (
        <>
          {value.missing.length > 0 && (
            <p class="small">
              <Mark tone="failed" word="fault" bare /> Registry {registry.name} has no field{" "}
              {value.missing.join(", ")}.
            </p>
          )}
          {value.rows.length === 0 ? (
            <p class="quiet">
              {registry.where === undefined ? "There is no row yet." : "No row is like that."}
            </p>
          ) : (
            <Table
              label={title}
              columns={value.fields.map((field, at) => columnOf(field, registry.name, at === 0))}
              rows={value.rows}
              id={({ row }) => row}
            />
          )}
          {value.more && <Link href={href}>More rows</Link>}
        </>
      ) : isMissing(error) ? (
        <p class="quiet">There is no registry {registry.name}.</p>
      ) : (
        <Unread what={`registry ${registry.name}`} error={error} retry={reload} />
      )}
    </Part>
  );
}

/** The first of them leads to its row. */
function columnOf({ name, type }: RegistryField, registry: string, isFirst: boolean): Column<RegistryRow> {
  return {
    head: name,
    number: type === "number" || type === "integer",
    cell: ({ row, values }) => {
      const text = show(values[name]);
      const short = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
      if (!isFirst) return <span class="home-value">{short}</span>;
      return <Link href={to(`/registries/${registry}`, { row })}>{short === "" ? "–" : short}</Link>;
    },
  };
}
