/** Writing to registries: a row somebody has changed meanwhile is told, not written over. */
import { useRef } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import type { RegistryRemove, RegistryRow, RegistryWrite, RegistryWritten } from "../../wire/frames";

/** What somebody made of the row meanwhile: another version of it, or nothing. */
export class Between {
  constructor(readonly row: RegistryRow | undefined) {}

  /** To be written or removed knowingly. */
  get version(): number {
    return this.row?.version ?? 0;
  }
}

export async function rowOf(registry: string, row: string): Promise<RegistryRow | undefined> {
  try {
    return await link.ask("registry.row", { registry, row });
  } catch (error) {
    if (error instanceof Refusal && error.code === "not_found") return undefined;
    throw error;
  }
}

/** `row` is the name of what is written, if it has one before it is. */
export async function write(
  payload: RegistryWrite,
  row: string | undefined,
  id: string,
): Promise<RegistryWritten | Between> {
  return orBetween(() => link.ask("registry.write", payload, id), payload.registry, row);
}

export async function remove(payload: RegistryRemove, id: string): Promise<boolean | Between> {
  const done = () => link.ask("registry.remove", payload, id);
  const removed = await orBetween(done, payload.registry, payload.row);
  return removed instanceof Between ? removed : removed.removed;
}

async function orBetween<T>(ask: () => Promise<T>, registry: string, row?: string): Promise<T | Between> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "conflict" || row === undefined) throw error;
    return new Between(await rowOf(registry, row));
  }
}

/** The id of a request: the same for as long as the same is asked. */
export function useRequest(): (payload: unknown) => string {
  const last = useRef({ of: "", id: "" });
  return (payload) => {
    const of = JSON.stringify(payload);
    if (last.current.of !== of) last.current = { of, id: uuidv7() };
    return last.current.id;
  };
}

/** What is wrong with each field, as the broker says it; undefined when that is not what it says. */
export function faultsOf(error: unknown): Record<string, string> | undefined {
  if (!(error instanceof Refusal) || error.code !== "invalid") return undefined;
  const { details } = error;
  if (typeof details !== "object" || details === null || !("faults" in details)) return undefined;
  const faults = details.faults as readonly { at: string; message: string }[];
  if (faults.length === 0) return undefined;
  return Object.fromEntries(faults.map(({ at, message }) => [at, message]));
}
