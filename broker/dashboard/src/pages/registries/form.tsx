/** A whole row, new or again: a field for each of the registry's, and what somebody has changed meanwhile. */
import { useState } from "preact/hooks";
import { FormDialog } from "../../ui/form";
import { toast } from "../../ui/toast";
import type { Registry, RegistryRow } from "../../wire/frames";
import { type Values, columnsOf, read, show, typed } from "./cells";
import { Conflict } from "./conflict";
import { Input } from "./input";
import { Between, faultsOf, useRequest, write } from "./write";

interface Props {
  registry: Registry;
  /** The row as it stands; without one it is to be new. */
  base?: RegistryRow | undefined;
  /** The field that is to be written. */
  first?: string | undefined;
  onClose: () => void;
  /** The name of the row. */
  onWritten: (row: string) => void;
}

export function RowForm({ registry, base: opened, first, onClose, onWritten }: Props) {
  // What the list makes of the row meanwhile is told when it is written, and not mixed in.
  const [base] = useState(opened);
  const fields = columnsOf(registry);
  const began = Object.fromEntries(
    fields.map((field) => [field.name, typed(field, base?.values[field.name])]),
  );
  const [texts, setTexts] = useState(began);
  const [faults, setFaults] = useState<Record<string, string>>({});
  const [between, setBetween] = useState<Between>();
  const request = useRequest();
  const focused = first ?? fields.find(({ name }) => !base || name !== registry.key)?.name;

  /** The values that are others than before; `undefined` if one cannot be meant, which is said beside it. */
  const meant = (): Values | undefined => {
    const values: Record<string, unknown> = {};
    const wrong: Record<string, string> = {};
    for (const field of fields) {
      const text = texts[field.name] ?? "";
      if (text === began[field.name]) continue;
      try {
        values[field.name] = read(field, text);
      } catch (error) {
        wrong[field.name] = error instanceof Error ? error.message : String(error);
      }
    }
    setFaults(wrong);
    return Object.keys(wrong).length === 0 ? values : undefined;
  };

  const submit = async () => {
    const values = meant();
    if (!values) return;
    if (base && Object.keys(values).length === 0) {
      onClose();
      return;
    }
    const named = base?.row ?? (registry.key === undefined ? undefined : show(values[registry.key]));
    const version = between?.version ?? base?.version ?? (registry.key === undefined ? undefined : 0);
    const payload = {
      registry: registry.name,
      values,
      ...(base ? { row: base.row } : {}),
      ...(version === undefined ? {} : { if_version: version }),
    };
    try {
      const done = await write(payload, named, request(payload));
      if (done instanceof Between) {
        setBetween(done);
        return;
      }
      toast(base ? `${label(base.row, registry)} is changed` : "The row is added");
      onWritten(done.row);
      onClose();
    } catch (error) {
      const told = faultsOf(error);
      if (!told || !Object.keys(told).every((at) => at in texts)) throw error;
      setFaults(told);
    }
  };

  return (
    <FormDialog
      title={base ? `Change ${label(base.row, registry)}` : `Add a row to ${registry.name}`}
      action={between ? "Write mine over it" : base ? "Write" : "Add"}
      leave={between ? "Leave theirs" : "Cancel"}
      missing={between && !between.row ? "It is there no more" : undefined}
      failed="The row was not written"
      safe="What you typed is still here."
      onSubmit={submit}
      onClose={onClose}
    >
      {between && <Conflict between={between} base={base} mine={mineOf(fields, texts, began)} />}
      {fields.map((field) => (
        <Input
          key={field.name}
          field={field}
          label={field.name}
          value={texts[field.name] ?? ""}
          error={faults[field.name]}
          disabled={base !== undefined && field.name === registry.key}
          autoFocus={field.name === focused}
          onInput={(text) => setTexts({ ...texts, [field.name]: text })}
        />
      ))}
    </FormDialog>
  );
}

/** What is about to be written, as it was typed. */
function mineOf(
  fields: readonly { name: string }[],
  texts: Record<string, string>,
  began: Record<string, string>,
): Values {
  const names = fields.map(({ name }) => name).filter((name) => texts[name] !== began[name]);
  return Object.fromEntries(names.map((name) => [name, texts[name]]));
}

/** How a row is called: by its key, or as the one with an id. */
export const label = (row: string, { key }: Registry) => (key === undefined ? `row ${row.slice(-8)}` : row);
