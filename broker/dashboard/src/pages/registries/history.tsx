/** The changes of a registry or of one of its rows, the latest first: who, when, and what became of which value. */
import { Link } from "wouter-preact";
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { useLog, useSoon } from "../../link/use";
import { Button } from "../../ui/button";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Mark } from "../../ui/mark";
import { Party } from "../../ui/party";
import { to } from "../../ui/query";
import { Time } from "../../ui/time";
import type { RegistryChange } from "../../wire/frames";
import { changes } from "./cells";
import { Value } from "./conflict";

const PAGE = 50;

interface Props {
  registry: string;
  /** Only of this row. */
  row?: string;
}

export function History({ registry, row }: Props) {
  const of = row === undefined ? {} : { row };
  const pages = usePages<RegistryChange>(
    async (before) => {
      const from = before === undefined ? {} : { before: Number(before) };
      const page = await link.ask("registry.history", { registry, limit: PAGE, ...of, ...from });
      const last = page.changes.at(-1);
      return { rows: page.changes, next: page.more === true && last ? String(last.version) : undefined };
    },
    [registry, row],
  );
  const soon = useSoon(pages.reload);
  useLog(({ body }) => {
    if (body.type !== "other" || body.kind !== "registry.changed") return;
    if (row === undefined ? body.subject.startsWith(`${registry}/`) : body.subject === `${registry}/${row}`)
      soon();
  });
  if (pages.error && !pages.rows) {
    return <Fault what="The history could not be read" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="the history" />;
  if (pages.rows.length === 0) return <p class="quiet">Nothing has been changed yet.</p>;
  return (
    <>
      <ol class="changes" aria-label="Changes, the latest first">
        {pages.rows.map((change) => (
          <li key={change.version}>
            <Line change={change} registry={registry} named={row === undefined} />
          </li>
        ))}
      </ol>
      {pages.more && (
        <p>
          <Button onClick={pages.loadMore}>Older changes</Button>
        </p>
      )}
    </>
  );
}

function Line({ change, registry, named }: { change: RegistryChange; registry: string; named: boolean }) {
  const { before, after, row, version, by, at } = change;
  const what = !before ? "added" : !after ? "removed" : "changed";
  const tone = { added: "online", changed: "busy", removed: "failed" } as const;
  return (
    <>
      <p class="change-head">
        <Mark tone={tone[what]} word={what} />
        {named && (
          <Link class="mono" href={to(`/registries/${registry}`, { row })}>
            {row}
          </Link>
        )}
        <span class="quiet">
          by <Party party={by} />
        </span>
        <Time at={at} />
        <span class="quiet number" title={`change ${version} of the registry`}>
          {version}
        </span>
      </p>
      <dl class="change-values">
        {changes(before, after).map(({ field, before: was, after: is }) => (
          <div key={field}>
            <dt class="mono">{field}</dt>
            <dd>
              {before && (
                <del>
                  <Value value={was} />
                </del>
              )}
              {before && after && (
                <span class="quiet">
                  <span aria-hidden="true">→</span>
                  <span class="hidden">is now</span>
                </span>
              )}
              {after && (
                <ins>
                  <Value value={is} />
                </ins>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}
