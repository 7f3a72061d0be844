/** What operators can have done with a session: asked for here, done by the aspect between turns, and followed until it is. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { FormDialog } from "../../ui/form";
import { shortId } from "../../ui/format";
import type { SessionNode } from "../../wire/frames";
import type { Following } from "./use";

export type Act = "rewind" | "fork" | "compact" | "summarise";

interface Props {
  act: Act;
  of: string;
  session: string;
  /** What it is about; without one a rewind goes before the first entry, and a fork begins at the head. */
  entry: SessionNode | undefined;
  /** How many entries of the active branch are left behind. */
  leaves: number;
  onGiven: (following: Following) => void;
  onClose: () => void;
}

const VERBS: Record<Act, string> = {
  rewind: "Rewind",
  fork: "Fork",
  compact: "Compact",
  summarise: "Summarise",
};

async function give(
  act: Act,
  of: string,
  session: string,
  entry: string | undefined,
  say: string,
  id: string,
) {
  const at = entry === undefined ? {} : { entry };
  switch (act) {
    case "rewind":
      return link.ask("session.rewind", { of, session, ...at }, id);
    case "fork":
      return link.ask("session.fork", { of, session, ...at, ...(say.trim() === "" ? {} : { say }) }, id);
    case "compact":
      return link.ask("session.compact", { of, session }, id);
    case "summarise":
      if (entry === undefined) throw new Error("a branch is named by its last entry");
      return link.ask("session.summarise", { of, session, entry }, id);
  }
}

export function Command({ act, of, session, entry, leaves, onGiven, onClose }: Props) {
  const [say, setSay] = useState("");
  const [id] = useState(() => uuidv7());
  const go = async () => {
    const { command } = await give(act, of, session, entry?.id, say, id);
    onGiven({ command, words: WORDS[act] });
    onClose();
  };
  return (
    <FormDialog
      title={TITLES[act]}
      action={VERBS[act]}
      leave="Leave it"
      failed={`${of} was not asked`}
      onSubmit={go}
      onClose={onClose}
    >
      {entry && (
        <p class="command-entry">
          <code>{shortId(entry.id)}</code> {entry.summary}
        </p>
      )}
      <About act={act} of={of} entry={entry} leaves={leaves} />
      {act === "fork" && (
        <div class="field">
          <label for="fork-say">The next message in it (may be left out)</label>
          <textarea
            id="fork-say"
            class="input"
            rows={3}
            value={say}
            onInput={(event) => setSay(event.currentTarget.value)}
            autofocus
          />
        </div>
      )}
    </FormDialog>
  );
}

const TITLES: Record<Act, string> = {
  rewind: "Rewind this session?",
  fork: "Fork this session?",
  compact: "Compact this session?",
  summarise: "Summarise this branch?",
};

const WORDS: Record<Act, string> = {
  rewind: "the rewind",
  fork: "the fork",
  compact: "the compaction",
  summarise: "the summary",
};

function About({ act, of, entry, leaves }: Pick<Props, "act" | "of" | "entry" | "leaves">) {
  switch (act) {
    case "rewind":
      return (
        <p>
          What {of} writes next hangs {entry ? "on this entry" : "before the first entry"}.{" "}
          {leaves > 0 &&
            `${leaves} ${leaves === 1 ? "entry" : "entries"} of the active branch stay as another branch. `}
          Nothing is removed, and you can come back.
        </p>
      );
    case "fork":
      return (
        <p>
          A new session is made of the branch that ends {entry ? "here" : "at the head"}. This one stays as it
          is.
        </p>
      );
    case "compact":
      return (
        <p>
          A summary, written by {of}'s provider, stands for the beginning from then on; the last six turns are
          kept word by word. The originals stay in the file and can be read here.
        </p>
      );
    case "summarise":
      return (
        <p>
          {of}'s provider writes down what was learnt on the branch that ends here, and that is put on the
          active one. It costs a round of its model.
        </p>
      );
  }
}
