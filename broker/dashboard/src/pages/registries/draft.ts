/** A definition while it is written: what is typed, what the broker says of it, and how it goes together with another one. Pure. */
import type { Registry, RegistryField } from "../../wire/frames";
import { read, show } from "./cells";

export const TYPES: readonly RegistryField["type"][] = [
  "string",
  "number",
  "integer",
  "boolean",
  "date",
  "datetime",
  "json",
];

export interface DraftField {
  /** Tells it apart while its name is typed. */
  id: number;
  name: string;
  type: RegistryField["type"];
  required: boolean;
  unique: boolean;
  /** One value in each line. */
  options: string;
  description: string;
}

export interface Draft {
  name: string;
  description: string;
  /** "" for none. */
  key: string;
  /** Names with commas or spaces between them. */
  writers: string;
  fields: readonly DraftField[];
}

/** What is wrong by where it stands: `name`, `key`, `fields[2].options`; "" for all of it. */
export type Faults = Readonly<Record<string, readonly string[]>>;

export const nothing = (id: number): DraftField => ({
  id,
  name: "",
  type: "string",
  required: false,
  unique: false,
  options: "",
  description: "",
});

export function draftOf({ name, description = "", key = "", writers = [], fields }: Registry): Draft {
  return {
    name,
    description,
    key,
    writers: writers.join(", "),
    fields: fields.map((field, id) => ({
      id,
      name: field.name,
      type: field.type,
      required: field.required ?? false,
      unique: field.unique ?? false,
      options: (field.enum ?? []).map(show).join("\n"),
      description: field.description ?? "",
    })),
  };
}

/** The definition as the wire has it, or what of it cannot be meant. */
export function registryOf(draft: Draft): { registry: Registry } | { faults: Faults } {
  const faults: Record<string, string[]> = {};
  const fields = draft.fields.map((field, at) => {
    const { name, type, required, unique, description } = field;
    const options: unknown[] = [];
    for (const line of field.options.split("\n")) {
      try {
        const value = read({ name, type }, line);
        if (value !== null) options.push(value);
      } catch (error) {
        const where = `fields[${at}].options`;
        faults[where] = [...(faults[where] ?? []), error instanceof Error ? error.message : String(error)];
      }
    }
    return {
      name: name.trim(),
      type,
      ...(description === "" ? {} : { description }),
      ...(required ? { required } : {}),
      ...(unique ? { unique } : {}),
      ...(options.length === 0 ? {} : { enum: options }),
    };
  });
  if (Object.keys(faults).length > 0) return { faults };
  const writers = draft.writers.split(/[\s,]+/).filter((name) => name !== "");
  const registry: Registry = {
    name: draft.name.trim(),
    fields,
    ...(draft.description === "" ? {} : { description: draft.description }),
    ...(draft.key === "" ? {} : { key: draft.key }),
    ...(writers.length === 0 ? {} : { writers }),
  };
  return { registry };
}

/** What the broker says is wrong: with the definition, or with a row that would no longer fit. */
export interface Told {
  at: string;
  row?: string;
  message: string;
}

/** Each where it is typed; `sent` is what the broker has looked at. What is about nothing here is about all of it. */
export function placed(told: readonly Told[], draft: Draft, sent: Registry): Faults {
  const faults: Record<string, string[]> = {};
  const placeOf = (name: string | undefined) => draft.fields.findIndex((it) => it.name.trim() === name);
  for (const { at, row, message } of told) {
    const [, index, part = ""] = /^fields\[(\d+)\]\.?(\w*)/.exec(at) ?? [];
    const name = row !== undefined || index === undefined ? at : sent.fields[Number(index)]?.name;
    const place = placeOf(name);
    let where = "";
    if (row === undefined && ["name", "key", "writers", "description"].includes(at)) where = at;
    else if (place >= 0 && row !== undefined) where = `fields[${place}].rows`;
    // Two of the same name: the one that the broker means.
    else if (index !== undefined && part === "name") where = `fields[${Math.max(place, Number(index))}].name`;
    else if (place >= 0) where = `fields[${place}].${part === "enum" ? "options" : part || "rows"}`;
    const text = row === undefined ? message : `Row ${row}: ${where === "" ? `${at}: ` : ""}${message}`;
    faults[where] = [...(faults[where] ?? []), text];
  }
  return faults;
}

/** A field in a line. */
export function inWords({ type, required, unique, enum: options = [], description }: RegistryField): string {
  return [
    type,
    required === true ? "required" : "",
    unique === true ? "unique" : "",
    options.length === 0 ? "" : `one of ${options.map((it) => JSON.stringify(it)).join(", ")}`,
    description === undefined || description === "" ? "" : `“${description}”`,
  ]
    .filter((word) => word !== "")
    .join(", ");
}

/** What there is of a definition, by its name, in words. */
function parts({ description = "", key = "", writers = [], fields }: Registry): Map<string, string> {
  return new Map([
    ["description", description],
    ["key", key],
    ["writers", writers.join(", ")],
    ...fields.map((field): [string, string] => [`field ${field.name}`, inWords(field)]),
  ]);
}

export interface Difference {
  part: string;
  before: string;
  /** Absent: I leave it as it is. */
  mine?: string;
  theirs: string;
}

/** What I changed and what somebody else has changed meanwhile. */
export function differences(base: Registry, mine: Registry, theirs: Registry): Difference[] {
  const [was, my, their] = [parts(base), parts(mine), parts(theirs)];
  const names = [...new Set([...was.keys(), ...my.keys(), ...their.keys()])];
  return names.flatMap((part) => {
    const [before = "", me = "", they = ""] = [was.get(part), my.get(part), their.get(part)];
    if (before === me && before === they) return [];
    return [{ part, before, ...(before === me ? {} : { mine: me }), theirs: they }];
  });
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);
const same3 = <T>(was: T, mine: T, theirs: T): T => (same(was, mine) ? theirs : mine);

/** Theirs, with what I changed: what I left as it was stays as they have made it. */
export function together(base: Registry, mine: Registry, theirs: Registry): Registry {
  const find = ({ fields }: Registry, name: string) => fields.find((it) => it.name === name);
  const text = (field: RegistryField | undefined) => (field === undefined ? undefined : inWords(field));
  const isMine = (name: string) => text(find(base, name)) !== text(find(mine, name));
  const kept = theirs.fields.flatMap((field) =>
    isMine(field.name) ? (find(mine, field.name) ?? []) : [field],
  );
  const added = mine.fields.filter(({ name }) => isMine(name) && find(theirs, name) === undefined);
  const description = same3(base.description ?? "", mine.description ?? "", theirs.description ?? "");
  const key = same3(base.key, mine.key, theirs.key);
  const writers = same3(base.writers ?? [], mine.writers ?? [], theirs.writers ?? []);
  return {
    name: theirs.name,
    fields: [...kept, ...added],
    ...(description === "" ? {} : { description }),
    ...(key === undefined ? {} : { key }),
    ...(writers.length === 0 ? {} : { writers }),
  };
}

/** Whether there is anything to write. */
export const isChanged = (base: Registry, mine: Registry): boolean =>
  differences(base, mine, base).length > 0 ||
  !same(
    base.fields.map(({ name }) => name),
    mine.fields.map(({ name }) => name),
  );
