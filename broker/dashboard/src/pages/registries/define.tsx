/** Where a definition is written, new or again: what its rows have to be like, and who may write them. */
import { useState } from "preact/hooks";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import { Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { Mark } from "../../ui/mark";
import { toast } from "../../ui/toast";
import type { Registry, RegistryInfo } from "../../wire/frames";
import {
  type Draft,
  type Faults,
  type Told,
  draftOf,
  isChanged,
  nothing,
  placed,
  registryOf,
  together,
} from "./draft";
import { Fields } from "./fields";
import { Moved } from "./moved";
import { useRequest } from "./write";

interface Props {
  /** The definition as it stands; without one it is to be new. */
  base?: RegistryInfo | undefined;
  onClose: () => void;
  /** The name of the registry. */
  onDefined: (name: string) => void;
}

const EMPTY: Draft = { name: "", description: "", key: "", writers: "", fields: [nothing(0)] };

/** What somebody has made of it meanwhile; nothing, if it was deleted. */
interface Between {
  info: RegistryInfo | undefined;
}

async function infoOf(registry: string): Promise<RegistryInfo | undefined> {
  try {
    return await link.ask("registry.get", { registry });
  } catch (error) {
    if (error instanceof Refusal && error.code === "not_found") return undefined;
    throw error;
  }
}

export function Define({ base: opened, onClose, onDefined }: Props) {
  // What becomes of it while this is open is told when it is written, and not mixed in.
  const [base] = useState(opened);
  const [draft, setDraft] = useState(() => (base ? draftOf(base.registry) : EMPTY));
  const [faults, setFaults] = useState<Faults>({});
  const [between, setBetween] = useState<Between>();
  const request = useRequest();
  const change = (what: Partial<Draft>) => setDraft({ ...draft, ...what });

  const submit = async () => {
    const read = registryOf(draft);
    if ("faults" in read) {
      setFaults(read.faults);
      return;
    }
    setFaults({});
    const mine = read.registry;
    if (base && !isChanged(base.registry, mine)) {
      onClose();
      return;
    }
    const theirs = between?.info;
    const registry = base && theirs ? together(base.registry, mine, theirs.registry) : mine;
    const payload = { registry, if_version: theirs?.version ?? base?.version ?? 0 };
    try {
      const { registry: name } = await link.ask("registry.put", payload, request(payload));
      toast(base ? `${name} is defined anew` : `${name} is defined`);
      onDefined(name);
      onClose();
    } catch (error) {
      await refused(error, registry);
    }
  };

  const refused = async (error: unknown, sent: Registry) => {
    if (error instanceof Refusal && error.code === "conflict") {
      const info = await infoOf(sent.name);
      if (base) setBetween({ info });
      else setFaults({ name: [`There is a registry ${sent.name} already.`] });
      return;
    }
    const told = toldOf(error);
    if (!told) throw error;
    setFaults(placed(told, draft, sent));
  };

  const general = faults[""] ?? [];
  const names = draft.fields.map(({ name }) => name.trim()).filter((name) => name !== "");
  const ready = draft.name.trim() !== "" && names.length > 0;
  return (
    <FormDialog
      wide
      title={base ? `Change what rows of ${base.registry.name} have to be like` : "Define a registry"}
      action={between ? "Write mine over it" : base ? "Write" : "Define"}
      leave={between ? "Leave theirs" : "Cancel"}
      missing={between && !between.info ? "It is there no more" : ready ? undefined : ""}
      failed="The definition was not written"
      safe="What you typed is still here."
      onSubmit={submit}
      onClose={onClose}
    >
      {base && between && <Moved base={base.registry} draft={draft} info={between.info} />}
      {general.length > 0 && (
        <ul class="define-faults" role="alert">
          {general.map((fault) => (
            <li key={fault}>
              <Mark tone="failed" word="fault" bare /> {fault}
            </li>
          ))}
        </ul>
      )}
      <div class="define-head">
        <Field
          label="Name"
          mono
          value={draft.name}
          disabled={base !== undefined}
          error={faults.name?.join(" ")}
          hint={base ? undefined : "Lower-case letters, digits and -, as aspects have them."}
          autoFocus={base === undefined}
          onInput={(name) => change({ name })}
        />
        <Field
          label="About"
          value={draft.description}
          error={faults.description?.join(" ")}
          onInput={(description) => change({ description })}
        />
        <Key draft={draft} fault={faults.key?.join(" ")} onChange={(key) => change({ key })} />
        <Field
          label="Aspects that may write"
          mono
          value={draft.writers}
          error={faults.writers?.join(" ")}
          hint="Names with commas between them. Operators may in any case."
          onInput={(writers) => change({ writers })}
        />
      </div>
      <Fields fields={draft.fields} faults={faults} onChange={(fields) => change({ fields })} />
    </FormDialog>
  );
}

function Key({
  draft,
  fault,
  onChange,
}: {
  draft: Draft;
  fault: string | undefined;
  onChange: (key: string) => void;
}) {
  const may = draft.fields
    .filter(({ type }) => ["string", "integer", "date"].includes(type))
    .map(({ name }) => name.trim());
  const known = [...new Set([...may, draft.key])].filter((name) => name !== "");
  return (
    <div>
      <Select
        label="A row is named by"
        value={draft.key}
        options={[
          { value: "", label: "an id the broker gives it" },
          ...known.map((name) => ({ value: name, label: name })),
        ]}
        onChange={onChange}
      />
      {fault !== undefined && <p class="field-error">{fault}</p>}
    </div>
  );
}

/** What the broker says is wrong; undefined when that is not what it says. */
function toldOf(error: unknown): Told[] | undefined {
  if (!(error instanceof Refusal) || error.code !== "invalid") return undefined;
  const { details } = error;
  if (typeof details !== "object" || details === null || !("faults" in details)) return undefined;
  const told = details.faults as Told[];
  const rows = "rows" in details ? Number(details.rows) : 0;
  const named = new Set(told.flatMap(({ row }) => row ?? []));
  if (rows <= named.size) return told;
  return [
    ...told,
    { at: "", message: `${rows} rows would no longer fit; the first of them are told below.` },
  ];
}
