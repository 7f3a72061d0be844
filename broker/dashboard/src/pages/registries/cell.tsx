/** One value of a row: as it is, and where it is written. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { asError } from "../../link/use";
import { myParty } from "../../state/session";
import { Button } from "../../ui/button";
import { FormDialog } from "../../ui/form";
import type { Registry, RegistryField, RegistryRow, RegistryWritten } from "../../wire/frames";
import { read, same, show, typed } from "./cells";
import { Conflict } from "./conflict";
import { label } from "./form";
import { Input } from "./input";
import { Between, faultsOf, useRequest, write } from "./write";

/** A value somebody wanted to write, and the row somebody else had changed meanwhile. */
export interface Clash {
  base: RegistryRow;
  field: RegistryField;
  value: unknown;
  between: Between;
}

/** The row after a value of it was written, as the broker will tell it. */
export function after(
  base: RegistryRow,
  field: string,
  value: unknown,
  written: RegistryWritten,
): RegistryRow {
  const values = { ...base.values, [field]: value };
  return { ...base, values, version: written.version, by: myParty.value, at: Date.now() };
}

interface Props {
  registry: Registry;
  row: RegistryRow;
  field: RegistryField;
  onWritten: (row: RegistryRow) => void;
  onClash: (clash: Clash) => void;
  onClose: () => void;
}

export function CellEditor({ registry, row, field, onWritten, onClash, onClose }: Props) {
  // Whatever becomes of the row while this is open counts as coming in between.
  const [base] = useState(row);
  const [text, setText] = useState(() => typed(field, base.values[field.name]));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const request = useRequest();
  const attempt = async () => {
    const value = read(field, text);
    if (same(value ?? undefined, base.values[field.name])) {
      onClose();
      return;
    }
    const payload = {
      registry: registry.name,
      row: base.row,
      values: { [field.name]: value },
      if_version: base.version,
    };
    const done = await write(payload, base.row, request(payload));
    if (done instanceof Between) onClash({ base, field, value, between: done });
    else onWritten(after(base, field.name, value, done));
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      await attempt();
    } catch (error) {
      setError(faultsOf(error)?.[field.name] ?? asError(error).message);
    } finally {
      setBusy(false);
    }
  };
  const key = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "Escape") onClose();
    // Of itself it sends no form.
    if (event.key === "Enter" && event.target instanceof HTMLSelectElement) form.current?.requestSubmit();
  };
  useLayoutEffect(() => {
    const input = form.current?.querySelector<HTMLElement>("input, select");
    input?.focus();
    if (input instanceof HTMLInputElement && input.type === "text") input.select();
  }, []);
  return (
    <form ref={form} class="cell-editor" noValidate onSubmit={(event) => void submit(event)} onKeyDown={key}>
      <Input
        bare
        field={field}
        label={`${field.name} of ${label(base.row, registry)}`}
        value={text}
        error={error}
        onInput={setText}
      />
      <span class="cell-buttons">
        <Button type="submit" kind="quiet" label="Write it" title="Enter" busy={busy}>
          ✓
        </Button>
        <Button kind="quiet" label="Leave it" title="Escape" onClick={onClose}>
          ✕
        </Button>
      </span>
    </form>
  );
}

interface ClashProps {
  registry: Registry;
  clash: Clash;
  onWritten: (row: RegistryRow) => void;
  onClose: () => void;
}

/** Asks whether mine goes over theirs. Whoever comes in between again is asked about again. */
export function ClashDialog({ registry, clash, onWritten, onClose }: ClashProps) {
  const { base, field, value } = clash;
  const [between, setBetween] = useState(clash.between);
  const request = useRequest();
  const over = async () => {
    const payload = {
      registry: registry.name,
      row: base.row,
      values: { [field.name]: value },
      if_version: between.version,
    };
    const done = await write(payload, base.row, request(payload));
    if (done instanceof Between) setBetween(done);
    else onWritten(after(between.row ?? base, field.name, value, done));
  };
  return (
    <FormDialog
      title={`Write ${field.name} of ${label(base.row, registry)} all the same?`}
      action="Write mine over it"
      leave="Leave theirs"
      missing={between.row ? undefined : "It is there no more"}
      failed="The value was not written"
      onSubmit={over}
      onClose={onClose}
    >
      <Conflict between={between} base={base} mine={{ [field.name]: show(value) }} />
    </FormDialog>
  );
}
