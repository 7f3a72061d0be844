/** One session: its tree, the entry that is read, and what can be done with it. */
import { useMemo, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { useAsk } from "../../link/use";
import { mayAct } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { useKeys } from "../../ui/keys";
import { Menu } from "../../ui/menu";
import { toast } from "../../ui/toast";
import type { SessionCommandInfo, SessionNode } from "../../wire/frames";
import { Branches } from "./branches";
import { type Act, Command } from "./commands";
import { Drawing } from "./drawing";
import { type Drawn, type Tree, drawn, leafOf, treeOf } from "./folds";
import { layout } from "./layout";
import { Entry } from "./reader";
import { type Following, useOutcome, useTree } from "./use";

interface Props {
  of: string;
  session: string;
  chosen: string | undefined;
}

export function View({ of, session, chosen }: Props) {
  const { tree, error, reload } = useTree(of, session);
  if (!tree) {
    return error ? (
      <Fault what="The session could not be read" error={error} retry={reload} />
    ) : (
      <Loading what="the session" />
    );
  }
  return (
    <>
      {error && <Fault what="What came since could not be read" error={error} retry={reload} />}
      <Known
        of={of}
        session={session}
        chosen={chosen}
        nodes={tree.nodes}
        head={tree.head}
        cut={tree.cut}
        reload={reload}
      />
    </>
  );
}

interface KnownProps extends Props {
  nodes: readonly SessionNode[];
  head: string | undefined;
  cut: boolean;
  reload: () => void;
}

function Known({ of, session, chosen, nodes, head, cut, reload }: KnownProps) {
  const [, go] = useLocation();
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [marked, setMarked] = useState<string>();
  const [comparing, setComparing] = useState<[string, string | undefined]>();
  const [act, setAct] = useState<{ act: Act; entry: SessionNode | undefined }>();
  const [following, setFollowing] = useState<Following>();
  const tree = useMemo(() => treeOf(nodes, head), [nodes, head]);
  const shown = useMemo(() => new Set([chosen, marked].filter((id) => id !== undefined)), [chosen, marked]);
  const placed = useMemo(() => layout(drawn(tree, open, shown)), [tree, open, shown]);
  const entry = chosen === undefined ? undefined : tree.byId.get(chosen);
  const choose = (id: string | undefined) =>
    go(`/sessions/${of}/${session}${id === undefined ? "" : `/${id}`}`);
  useOutcome(following?.command, (info) => {
    setFollowing(undefined);
    reload();
    told(info, (made) => go(`/sessions/${of}/${made}`));
  });
  const onOpen = ({ folded, key, entries }: Drawn) => {
    if (folded) setOpen(new Set(open).add(key));
    else {
      setComparing(undefined);
      choose(entries[0]?.id);
    }
  };
  const compare = () => {
    if (!entry) return;
    if (marked !== undefined && marked !== entry.id)
      setComparing([leafOf(tree, marked), leafOf(tree, entry.id)]);
    else setComparing([leafOf(tree, entry.id), undefined]);
  };
  const close = () => {
    if (comparing) setComparing(undefined);
    else choose(undefined);
  };
  const acting = mayAct.value && entry !== undefined;
  useKeys("Session", [
    { keys: "d", does: "Compare the chosen branch with the marked or active one", act: compare },
    { keys: "m", does: "Mark the chosen entry", act: () => setMarked(entry?.id) },
    { keys: "Escape", does: "Close what is read", act: close },
    ...(acting
      ? [
          { keys: "w", does: "Rewind to the chosen entry", act: () => setAct({ act: "rewind", entry }) },
          { keys: "f", does: "Fork at the chosen entry", act: () => setAct({ act: "fork", entry }) },
        ]
      : []),
  ]);
  if (nodes.length === 0) return <Empty title="Nothing is written in this session yet." />;
  return (
    <div class={entry || comparing ? "view view-split" : "view"}>
      <div class="view-tree">
        <div class="view-tools">
          <span class="quiet number" title="entries of the file, branches">
            {tree.nodes.length} entries, {branches(tree)} {branches(tree) === 1 ? "branch" : "branches"}
            {cut && ", and more that are not shown"}
          </span>
          {open.size > 0 && (
            <Button kind="quiet" onClick={() => setOpen(new Set())}>
              Fold again
            </Button>
          )}
          {mayAct.value && (
            <Menu
              label="The whole session"
              items={[
                { label: "Compact…", act: () => setAct({ act: "compact", entry: undefined }) },
                { label: "Fork at the head…", act: () => setAct({ act: "fork", entry: undefined }) },
                {
                  label: "Rewind before the first entry…",
                  act: () => setAct({ act: "rewind", entry: undefined }),
                },
              ]}
            >
              Session…
            </Menu>
          )}
        </div>
        {following && (
          <p class="following" role="status">
            <span class="tone-busy">◐</span> {of} has been asked for {following.words}. It is done between
            turns, or when {of} is back.
          </p>
        )}
        <Drawing layout={placed} head={head} chosen={chosen} marked={marked} onOpen={onOpen} />
      </div>
      {comparing ? (
        <Branches of={of} session={session} one={comparing[0]} other={comparing[1]} onClose={close} />
      ) : (
        entry && (
          <aside class="reading" aria-label="The chosen entry">
            <h2 class="hidden">The chosen entry</h2>
            <Tools
              tree={tree}
              entry={entry}
              marked={marked}
              onAct={(act) => setAct({ act, entry })}
              onMark={() => setMarked(marked === entry.id ? undefined : entry.id)}
              onCompare={compare}
              onClose={close}
            />
            <Entry of={of} session={session} entry={entry.id} />
            {(entry.kind === "compaction" || entry.kind === "branch_summary") && (
              <Originals key={entry.id} of={of} session={session} entry={entry.id} onOpen={choose} />
            )}
          </aside>
        )
      )}
      {act && (
        <Command
          {...act}
          of={of}
          session={session}
          leaves={leaves(tree, act.entry)}
          onGiven={setFollowing}
          onClose={() => setAct(undefined)}
        />
      )}
    </div>
  );
}

const branches = (tree: Tree) => tree.nodes.filter((node) => !tree.children.has(node.id)).length;

/** How many entries of the active branch are below it. */
function leaves(tree: Tree, entry: SessionNode | undefined): number {
  const active = tree.nodes.filter((node) => tree.active.has(node.id));
  if (!entry) return active.length;
  if (!tree.active.has(entry.id)) {
    // The branches part at the last entry that is above both.
    const above = new Set<string>();
    for (let at: string | undefined = entry.id; at !== undefined; at = tree.byId.get(at)?.parent)
      above.add(at);
    return active.filter((node) => !above.has(node.id)).length;
  }
  return active.length - active.findIndex((node) => node.id === entry.id) - 1;
}

function told({ state, act, outcome, session }: SessionCommandInfo, open: (session: string) => void): void {
  if (state === "failed" || outcome?.error) {
    toast(`It was not done: ${outcome?.error?.message ?? "the aspect does not say why"}`, "failed");
    return;
  }
  const made = outcome?.session;
  if (act.type === "fork" && made !== undefined && made !== session) {
    toast("The fork is made, and shown");
    open(made);
    return;
  }
  toast(DONE[act.type]);
}

const DONE: Record<SessionCommandInfo["act"]["type"], string> = {
  rewind: "Rewound: what comes next hangs here",
  fork: "The fork is made",
  compact: "Compacted: a summary stands for the beginning",
  summarise: "The summary is on the active branch",
  cancel_turns: "The turns are cancelled",
  go_on: "The turns go on",
};

interface ToolsProps {
  tree: Tree;
  entry: SessionNode;
  marked: string | undefined;
  onAct: (act: Act) => void;
  onMark: () => void;
  onCompare: () => void;
  onClose: () => void;
}

function Tools({ tree, entry, marked, onAct, onMark, onCompare, onClose }: ToolsProps) {
  const isMarked = marked === entry.id;
  const off = !tree.active.has(entry.id);
  return (
    <div class="reading-tools">
      {mayAct.value && (
        <>
          <Button onClick={() => onAct("rewind")} title="w" disabled={entry.id === tree.head}>
            Rewind here…
          </Button>
          <Button onClick={() => onAct("fork")} title="f">
            Fork here…
          </Button>
          {off && !tree.children.has(entry.id) && (
            <Button onClick={() => onAct("summarise")}>Summarise…</Button>
          )}
        </>
      )}
      <Button pressed={isMarked} onClick={onMark} title="m">
        {isMarked ? "Marked" : "Mark"}
      </Button>
      {(off || (marked !== undefined && !isMarked)) && (
        <Button onClick={onCompare} title="d">
          {marked !== undefined && !isMarked ? "Compare with the marked" : "Compare with the active"}
        </Button>
      )}
      <Button kind="quiet" class="reading-close" label="Close" title="Close (Escape)" onClick={onClose}>
        ✕
      </Button>
    </div>
  );
}

interface OriginalsProps {
  of: string;
  session: string;
  entry: string;
  onOpen: (entry: string) => void;
}

/** What a summary stands for. */
function Originals({ of, session, entry, onOpen }: OriginalsProps) {
  const [wanted, setWanted] = useState(false);
  const { value, error, reload } = useAsk(
    "session.expand",
    wanted ? { of, session, entry, limit: 200 } : undefined,
  );
  if (!wanted) return <Button onClick={() => setWanted(true)}>Show what it stands for</Button>;
  if (error) return <Fault what="The originals could not be read" error={error} retry={reload} />;
  if (!value) return <Loading what="the originals" />;
  return (
    <section class="part">
      <h3>
        It stands for <span class="quiet number">{value.entries.length}</span>
      </h3>
      <ol class="originals">
        {value.entries.map((node) => (
          <li key={node.id}>
            <button type="button" class="cell-head" onClick={() => onOpen(node.id)}>
              <span class="cell-kind">{node.kind.replace(/^(turn|custom)\./, "")}</span>
              <span class="cell-text">{node.summary}</span>
            </button>
          </li>
        ))}
      </ol>
      {value.cursor !== undefined && <p class="quiet">The first 200 are shown.</p>}
    </section>
  );
}
