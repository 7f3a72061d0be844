/** A table whose rows can be opened by click and by key. On a phone each row becomes a block. */
import type { ComponentChildren } from "preact";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand at the right. */
  number?: boolean;
  class?: string;
  /** The head is read out and not shown: of a column of buttons. */
  bare?: boolean;
}

interface Props<T> {
  /** What the table is of, for those who do not see it. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  onOpen?: ((row: T) => void) | undefined;
  selected?: string | undefined;
}

export function Table<T>({ label, columns, rows, id, onOpen, selected }: Props<T>) {
  const key = (event: KeyboardEvent, row: T) => {
    if (event.target !== event.currentTarget) return;
    const line = event.currentTarget as HTMLElement;
    const to =
      event.key === "ArrowDown" || event.key === "j"
        ? line.nextElementSibling
        : event.key === "ArrowUp" || event.key === "k"
          ? line.previousElementSibling
          : undefined;
    if (to instanceof HTMLElement) to.focus();
    else if (event.key === "Enter") onOpen?.(row);
    else return;
    event.preventDefault();
  };
  return (
    <table class="table" aria-label={label}>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.head} scope="col" class={column.number === true ? "number" : column.class}>
              {column.bare === true ? <span class="hidden">{column.head}</span> : column.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr
            key={id(row)}
            class={onOpen ? "row-opens" : undefined}
            aria-selected={onOpen ? selected === id(row) : undefined}
            tabIndex={onOpen ? 0 : undefined}
            onClick={onOpen && (() => onOpen(row))}
            onKeyDown={onOpen && ((event) => key(event, row))}
          >
            {columns.map((column) => (
              <td
                key={column.head}
                data-head={column.bare === true ? undefined : column.head}
                class={column.number === true ? "number" : column.class}
              >
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
