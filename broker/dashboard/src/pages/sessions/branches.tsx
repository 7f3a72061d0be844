/** Two branches compared: side by side, or one after the other as a diff. */
import { useState } from "preact/hooks";
import { useAsk } from "../../link/use";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { shortId } from "../../ui/format";
import type { SessionBranch, SessionNode } from "../../wire/frames";
import { type Line, lines, rows } from "./compare";
import { Entry } from "./reader";

interface Props {
  of: string;
  session: string;
  one: string;
  /** Without it the active branch. */
  other: string | undefined;
  onClose: () => void;
}

export function Branches({ of, session, one, other, onClose }: Props) {
  const [unified, setUnified] = useState(false);
  const asked = { of, session, one, ...(other === undefined ? {} : { other }) };
  const { value, error, reload } = useAsk("session.diff", asked);
  return (
    <section class="branches" aria-label="Two branches compared">
      <header class="branches-head">
        <h2>Branches</h2>
        <div class="choices" role="group" aria-label="How they are shown">
          <Button kind="quiet" pressed={!unified} onClick={() => setUnified(false)}>
            Side by side
          </Button>
          <Button kind="quiet" pressed={unified} onClick={() => setUnified(true)}>
            One after the other
          </Button>
        </div>
        <Button kind="quiet" label="Close" title="Close (Escape)" onClick={onClose}>
          ✕
        </Button>
      </header>
      {error && <Fault what="The branches could not be compared" error={error} retry={reload} />}
      {!value && !error && <Loading what="the branches" />}
      {value && (
        <>
          <p class="quiet">
            {value.common === undefined ? (
              "They have nothing in common."
            ) : (
              <>
                They are the same up to <code>{shortId(value.common)}</code>.
              </>
            )}
          </p>
          <Compared of={of} session={session} one={value.one} other={value.other} unified={unified} />
        </>
      )}
    </section>
  );
}

interface ComparedProps {
  of: string;
  session: string;
  one: SessionBranch;
  other: SessionBranch;
  unified: boolean;
}

function Compared({ of, session, one, other, unified }: ComparedProps) {
  const made = rows(one.entries, other.entries);
  const left = (one.left_out ?? 0) + (other.left_out ?? 0);
  if (made.length === 0) return <Empty title="Neither has anything since: it is one branch." />;
  const cell = (node: SessionNode | undefined, sign: Line["sign"]) =>
    node && <Cell key={node.id} of={of} session={session} node={node} sign={sign} />;
  return (
    <>
      {unified ? (
        <ol class="unified">{lines(made).map(({ node, sign }) => cell(node, sign))}</ol>
      ) : (
        <div class="sides">
          <h3>
            This branch{" "}
            <code class="quiet">{one.leaf === undefined ? "before the first" : shortId(one.leaf)}</code>
          </h3>
          <h3>
            The other one{" "}
            <code class="quiet">{other.leaf === undefined ? "before the first" : shortId(other.leaf)}</code>
          </h3>
          {made.map(({ one, other, same }, at) => (
            <div class="sides-row" key={at}>
              <ol>{cell(one, same ? " " : "-")}</ol>
              <ol>{cell(other, same ? " " : "+")}</ol>
            </div>
          ))}
        </div>
      )}
      {left > 0 && <p class="quiet">{left} more entries are not shown.</p>}
    </>
  );
}

interface CellProps {
  of: string;
  session: string;
  node: SessionNode;
  sign: Line["sign"];
}

const KINDS = { " ": "same", "-": "removed", "+": "added" };

function Cell({ of, session, node, sign }: CellProps) {
  const [open, setOpen] = useState(false);
  return (
    <li class={`cell diff-${KINDS[sign]}`}>
      <button type="button" class="cell-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="mono">{sign === " " ? "\u00a0" : sign}</span>
        <span class="cell-kind">{node.kind.replace(/^(turn|custom)\./, "")}</span>
        <span class="cell-text">{node.summary}</span>
      </button>
      {open && <Entry of={of} session={session} entry={node.id} />}
    </li>
  );
}
