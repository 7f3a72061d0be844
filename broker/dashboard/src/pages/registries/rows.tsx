/** The rows of a registry: a table whose cells are written where they stand. Arrow keys go from cell to cell. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { useLog, useSoon } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { to, useQuery } from "../../ui/query";
import type { Registry, RegistryField, RegistryRow } from "../../wire/frames";
import { type Clash, CellEditor, ClashDialog } from "./cell";
import { columnsOf, isLong, show } from "./cells";
import { label } from "./form";
import "./registries.css";

const PAGE = 100;

interface Props {
  registry: Registry;
  filter: string;
  chosen: string | undefined;
  /** A value too long for its cell is to be written. */
  onLong: (row: RegistryRow, field: string) => void;
}

export function Rows({ registry, filter, chosen, onLong }: Props) {
  const { name } = registry;
  const pages = usePages<RegistryRow>(
    async (after) => {
      const page = await link.ask("registry.read", {
        registry: name,
        limit: PAGE,
        ...(filter === "" ? {} : { filter }),
        ...(after === undefined ? {} : { after }),
      });
      return { rows: page.rows, next: page.more === true ? page.rows.at(-1)?.row : undefined };
    },
    [name, filter],
  );
  const soon = useSoon(pages.reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind === "registry.changed" && body.subject.startsWith(`${name}/`))
      soon();
  });
  if (pages.error && !pages.rows) {
    return <Fault what="The rows could not be read" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="the rows" />;
  if (pages.rows.length === 0) {
    if (filter !== "")
      return <Empty title="No row is like that.">Take the filter away to see the others.</Empty>;
    return (
      <Empty title="There is no row yet.">
        {mayAct.value ? "Add one with n. " : ""}Aspects it names as writers add rows, and so do steps of
        flows.
      </Empty>
    );
  }
  return (
    <>
      <Sheet registry={registry} rows={pages.rows} chosen={chosen} onLong={onLong} />
      <p class="rows-more">
        {pages.more && <Button onClick={pages.loadMore}>More rows</Button>}
        {pages.more && <span class="quiet">{pages.rows.length} are shown</span>}
      </p>
    </>
  );
}

interface SheetProps extends Omit<Props, "filter"> {
  rows: readonly RegistryRow[];
}

function Sheet({ registry, rows, chosen, onLong }: SheetProps) {
  const [editing, setEditing] = useState<{ row: string; field: string }>();
  const [clash, setClash] = useState<Clash>();
  const [written, setWritten] = useState<RegistryRow>();
  const table = useRef<HTMLTableElement>(null);
  const back = useRef<string | undefined>(undefined);
  const columns = columnsOf(registry);
  // Until the list has it, too.
  const current = (row: RegistryRow) =>
    written?.row === row.row && written.version > row.version ? written : row;
  const close = () => {
    back.current = editing && cellName(editing.row, editing.field);
    setEditing(undefined);
  };
  useLayoutEffect(() => {
    if (editing || back.current === undefined) return;
    const cells = [...(table.current?.querySelectorAll<HTMLElement>(".cell") ?? [])];
    cells.find((cell) => cell.dataset.cell === back.current)?.focus();
    back.current = undefined;
  });
  const isWritten = (row: RegistryRow) => {
    setWritten(row);
    close();
  };
  return (
    <div class="sheet">
      <table ref={table} class="table sheet-table" aria-label={`Rows of ${registry.name}`} onKeyDown={move}>
        <thead>
          <tr>
            {registry.key === undefined && <th scope="col">row</th>}
            {columns.map((field) => (
              <th key={field.name} scope="col" class={isNumber(field) ? "number" : undefined}>
                <span title={field.description}>{field.name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(current).map((row) => (
            <tr key={row.row} class={row.row === chosen ? "sheet-here" : undefined}>
              {registry.key === undefined && (
                <td data-head="row">
                  <Name registry={registry} row={row} here={row.row === chosen} />
                </td>
              )}
              {columns.map((field) => (
                <td key={field.name} data-head={field.name} class={isNumber(field) ? "number" : undefined}>
                  {field.name === registry.key ? (
                    <Name registry={registry} row={row} here={row.row === chosen} />
                  ) : editing?.row === row.row && editing.field === field.name ? (
                    <CellEditor
                      registry={registry}
                      row={row}
                      field={field}
                      onWritten={isWritten}
                      onClash={(clash) => {
                        setClash(clash);
                        close();
                      }}
                      onClose={close}
                    />
                  ) : (
                    <Cell
                      registry={registry}
                      row={row}
                      field={field}
                      onEdit={() =>
                        isLong(field, row.values[field.name])
                          ? onLong(row, field.name)
                          : setEditing({ row: row.row, field: field.name })
                      }
                    />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {clash && (
        <ClashDialog
          registry={registry}
          clash={clash}
          onWritten={(row) => {
            setWritten(row);
            setClash(undefined);
          }}
          onClose={() => setClash(undefined)}
        />
      )}
    </div>
  );
}

const cellName = (row: string, field: string) => `${field}\n${row}`;

const isNumber = ({ type }: RegistryField) => type === "integer" || type === "number";

interface NameProps {
  registry: Registry;
  row: RegistryRow;
  here: boolean;
}

/** What names the row, which opens it. */
function Name({ registry, row, here }: NameProps) {
  const [query] = useQuery();
  return (
    <Link
      href={to(`/registries/${registry.name}`, { ...query, row: row.row })}
      class="cell cell-name mono"
      aria-current={here ? "true" : undefined}
      title={row.row}
    >
      {registry.key === undefined ? row.row.slice(-8) : row.row}
    </Link>
  );
}

interface CellProps {
  registry: Registry;
  row: RegistryRow;
  field: RegistryField;
  onEdit: () => void;
}

function Cell({ registry, row, field, onEdit }: CellProps) {
  const text = show(row.values[field.name]);
  if (!mayAct.value) {
    return (
      <span class="cell" title={text}>
        {text || <span class="quiet">–</span>}
      </span>
    );
  }
  return (
    <button
      type="button"
      class="cell"
      data-cell={cellName(row.row, field.name)}
      aria-label={`${field.name} of ${label(row.row, registry)}: ${text === "" ? "no value" : text}. Change`}
      title={text}
      onClick={onEdit}
    >
      {text || <span class="quiet">–</span>}
    </button>
  );
}

const STEPS: Partial<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

function move(event: KeyboardEvent): void {
  const step = STEPS[event.key];
  const from = event.target;
  if (!step || !(from instanceof HTMLElement) || !from.matches(".cell")) return;
  const cell = from.closest("td");
  const line = cell?.closest("tr");
  if (!cell || !line) return;
  const next = line.closest("tbody")?.rows[line.sectionRowIndex + step[0]]?.cells[cell.cellIndex + step[1]];
  next?.querySelector<HTMLElement>(".cell")?.focus();
  event.preventDefault();
}

export function focusSheet(): void {
  document.querySelector<HTMLElement>(".sheet .cell")?.focus();
}
