/** What a search found: the best first, what matches marked, and how good each match is. */
import { link } from "../../link/link";
import { usePages } from "../../link/pages";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Party } from "../../ui/party";
import { useQuery } from "../../ui/query";
import type { KnowledgeHit, SnippetPart } from "../../wire/frames";
import { Row } from "./row";
import { Shared } from "./topics";

export function Hits({ text, by, sharedOnly }: { text: string; by: string; sharedOnly: boolean }) {
  const [{ of, topic }] = useQuery();
  const pages = usePages<KnowledgeHit>(
    async (cursor) => {
      const page = await link.ask("knowledge.search", {
        query: text,
        limit: 50,
        ...(by === "" ? {} : { of: by }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return { rows: page.hits, next: page.cursor };
    },
    [text, by],
  );
  if (pages.error && !pages.rows) {
    return <Fault what="The search failed" error={pages.error} retry={pages.reload} />;
  }
  if (!pages.rows) return <Loading what="what was found" />;
  const rows = pages.rows.filter((hit) => !sharedOnly || hit.shared);
  const best = Math.max(...rows.map((hit) => hit.score), 0);
  if (rows.length === 0) {
    return (
      <Empty title="No entry matches.">
        All words have to occur. Use fewer, or OR between them; begin* finds beginnings.
      </Empty>
    );
  }
  return (
    <>
      <p class="hidden" role="status">
        {rows.length} {rows.length === 1 ? "entry" : "entries"} found
      </p>
      <ul class="rows" aria-label="Entries found, the best first">
        {rows.map((hit) => (
          <Row
            key={hit.entry}
            from={hit.from}
            topic={hit.topic}
            here={hit.from === of && hit.topic === topic}
          >
            <p class="row-snippet">
              {hit.snippet?.map((part, at) => (
                <Piece key={at} part={part} />
              ))}
            </p>
            <span class="row-about">
              <Score score={hit.score} best={best} /> · <Party party={hit.from} /> ·{" "}
              <Shared shared={hit.shared} />
            </span>
          </Row>
        ))}
      </ul>
      {pages.more && <Button onClick={pages.loadMore}>More</Button>}
    </>
  );
}

function Piece({ part }: { part: SnippetPart }) {
  return part.hit === true ? <mark class="hit">{part.text}</mark> : <>{part.text}</>;
}

/** The number, and how it compares with the best one. */
function Score({ score, best }: { score: number; best: number }) {
  const width = best > 0 ? Math.max(2, (score / best) * 48) : 0;
  return (
    <span class="score" title="How well it matches (BM25); more is better">
      <svg width="48" height="6" viewBox="0 0 48 6" aria-hidden="true">
        <rect class="score-all" width="48" height="6" rx="1" />
        <rect class="score-has" width={width} height="6" rx="1" />
      </svg>
      <span class="hidden">score </span>
      <span class="number">{score.toFixed(2)}</span>
    </span>
  );
}
