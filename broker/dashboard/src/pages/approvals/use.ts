/** Approvals as they stand, kept current by the log. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import type { ApprovalInfo, LogEntry } from "../../wire/frames";

/** By id. */
export const approvals = signal<ReadonlyMap<string, ApprovalInfo>>(new Map());

const PAGE = 100;

export function put(...infos: readonly ApprovalInfo[]): void {
  const next = new Map(approvals.value);
  for (const info of infos) next.set(info.id, info);
  approvals.value = next;
}

export async function readOne(approval: string): Promise<ApprovalInfo> {
  const info = await link.ask("approval.get", { approval });
  put(info);
  return info;
}

/** The open ones, all of them; those that ended while nobody looked are read one by one. */
async function readOpen(): Promise<void> {
  const found: ApprovalInfo[] = [];
  for (let more = true; more;) {
    const before = found.at(-1)?.id;
    const page = await link.ask("approval.list", { limit: 200, ...(before === undefined ? {} : { before }) });
    found.push(...page.approvals);
    more = page.more === true && page.approvals.length > 0;
  }
  const open = new Set(found.map((info) => info.id));
  const gone = [...approvals.value.values()].filter((info) => info.state === "open" && !open.has(info.id));
  put(...found);
  await Promise.all(gone.map((info) => readOne(info.id).catch(() => undefined)));
}

/** Those that have ended, too; before `before`, the latest first. Whether there are more. */
export async function readAll(before?: string): Promise<boolean> {
  const page = await link.ask("approval.list", {
    all: true,
    limit: PAGE,
    ...(before === undefined ? {} : { before }),
  });
  put(...page.approvals);
  return page.more === true;
}

function onLog({ body }: LogEntry): void {
  if (body.type === "other" && body.kind.startsWith("approval."))
    readOne(body.subject).catch(() => undefined);
}

export function useApprovals(): { known: boolean; error: Error | undefined; reload: () => void } {
  const [known, setKnown] = useState(false);
  const [error, setError] = useState<Error>();
  const read = () => {
    readOpen().then(
      () => {
        setKnown(true);
        setError(undefined);
      },
      (error: unknown) => setError(asError(error)),
    );
  };
  useEffect(() => {
    const off = [link.on("log", onLog), link.on("fresh", ({ again }) => again && read())];
    read();
    return () => off.forEach((stop) => stop());
  }, []);
  return { known, error, reload: read };
}
