/** An entry that is known by its id alone, as the log names it: looked for among the current ones. */
import { Redirect } from "wouter-preact";
import { link } from "../../link/link";
import { useLoad } from "../../link/use";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { to } from "../../ui/query";
import type { KnowledgeHead } from "../../wire/frames";

const PAGES_MAX = 20;

async function lookFor(entry: string): Promise<KnowledgeHead | null> {
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const found = await link.ask("knowledge.list", {
      limit: 200,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const hit = found.entries.find((it) => it.entry === entry);
    if (hit) return hit;
    if (found.cursor === undefined) return null;
    cursor = found.cursor;
  }
  return null;
}

export function ByEntryId({ entry }: { entry: string }) {
  const found = useLoad(() => lookFor(entry), [entry]);
  if (found.error)
    return <Fault what="The entry could not be looked for" error={found.error} retry={found.reload} />;
  if (found.value === undefined) return <Loading what="the entry" />;
  if (found.value === null) {
    return (
      <Empty title="This is no current entry.">
        It is an earlier version of one, or was deleted since. Search for its topic; versions are in its
        history.
      </Empty>
    );
  }
  return <Redirect to={to("/knowledge", { of: found.value.from, topic: found.value.topic })} replace />;
}
