/** Writing an entry of one's own, new or again; a look at how it will read before it is stored. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { Refusal } from "../../link/refusal";
import { myParty } from "../../state/session";
import { Area, Check, Segments } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { Markdown } from "../../ui/markdown";
import { toast } from "../../ui/toast";

export interface Draft {
  topic: string;
  content: string;
  shared: boolean;
  /** The version that is edited. Without it the entry is new. */
  was?: number;
}

interface Props {
  draft: Draft;
  onClose: () => void;
  onStored: (topic: string) => void;
}

/** The version that is there now, if there is one. */
async function versionOf(topic: string): Promise<number | undefined> {
  try {
    const found = await link.ask("knowledge.get", { topic, of: myParty.value });
    return found.deleted === true ? undefined : found.version;
  } catch (error) {
    if (error instanceof Refusal && error.code === "not_found") return undefined;
    throw error;
  }
}

export function Editor({ draft, onClose, onStored }: Props) {
  const [topic, setTopic] = useState(draft.topic);
  const [content, setContent] = useState(draft.content);
  const [shared, setShared] = useState(draft.shared);
  const [shown, setShown] = useState<"write" | "look">("write");
  /** A version that came between, which whoever stores again replaces knowingly. */
  const [between, setBetween] = useState<number>();
  const [id] = useState(() => uuidv7());
  const missing = topic.trim() === "" ? "the topic" : content === "" ? "the text" : undefined;
  const store = async () => {
    const now = await versionOf(topic);
    if (now !== undefined && now !== draft.was && now !== between) {
      setBetween(now);
      return;
    }
    const stored = await link.ask("knowledge.store", { topic, content, shared }, id);
    toast(`“${topic}” is stored as version ${stored.version}`);
    onStored(topic);
  };
  return (
    <FormDialog
      wide
      title={draft.was === undefined ? "Write an entry" : `Edit “${draft.topic}”`}
      action={between === undefined ? "Store" : `Replace version ${between}`}
      missing={missing === undefined ? undefined : `Say ${missing} first`}
      failed="It was not stored"
      safe="Your text is still here."
      onSubmit={store}
      onClose={onClose}
    >
      {draft.was === undefined && (
        <Field
          label="Topic"
          value={topic}
          onInput={setTopic}
          maxLength={256}
          hint="What it is found by; an entry of yours with the same topic is replaced, and kept as a version."
        />
      )}
      <Segments
        label="Text or how it reads"
        value={shown}
        options={[
          { value: "write", label: "Write" },
          { value: "look", label: "Look" },
        ]}
        onChange={setShown}
      />
      {shown === "write" ? (
        <Area label="Text" hint="Markdown" rows={14} value={content} onInput={setContent} />
      ) : (
        <div class="editor-look">
          <Markdown text={content} />
        </div>
      )}
      <Check
        label="Shared"
        hint="Every aspect may read it. Without, only you, other people, and aspects with a grant."
        checked={shared}
        onChange={setShared}
      />
      {between !== undefined && (
        <p class="entry-note" role="alert">
          {draft.was === undefined
            ? `You have an entry of this topic already: version ${between}.`
            : `It was stored as version ${between} since you opened it.`}{" "}
          Storing replaces it; it stays in the history.
        </p>
      )}
    </FormDialog>
  );
}
