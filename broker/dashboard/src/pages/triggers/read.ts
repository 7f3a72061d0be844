/** Triggers, page by page. */
import { link } from "../../link/link";
import type { TriggerInfo } from "../../wire/frames";

/** All of them, by name; or of very many those of the first pages. */
export async function readTriggers(pages = Infinity): Promise<TriggerInfo[]> {
  const all: TriggerInfo[] = [];
  for (let read = 0; read < pages; read += 1) {
    const after = all.at(-1)?.definition.name;
    const page = await link.ask("trigger.list", { limit: 200, ...(after === undefined ? {} : { after }) });
    all.push(...page.triggers);
    if (page.more !== true || page.triggers.length === 0) break;
  }
  return all;
}
