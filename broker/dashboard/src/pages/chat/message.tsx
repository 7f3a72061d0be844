/** One message: who, when, what, with its files, reactions and receipts. */
import { useState } from "preact/hooks";
import { link } from "../../link/link";
import { asError, useLoad } from "../../link/use";
import { mayAct, myParty } from "../../state/session";
import { turns } from "../../state/turns";
import { Button } from "../../ui/button";
import { brief, bytes, money } from "../../ui/format";
import { Mark, type Tone } from "../../ui/mark";
import { Markdown } from "../../ui/markdown";
import { Menu } from "../../ui/menu";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import { TurnParts } from "../../ui/turn";
import type { Message, Receipt, ReceiptState, ReplyMeta } from "../../wire/frames";
import { pathOf } from "./upload";

const SIGNS = ["👍", "👎", "✅", "❌", "👀", "🎉", "❤️", "🚀"];

interface Props {
  message: Message;
  /** What it answers, when that is not the one before it. */
  answers?: Message | undefined;
  /** It goes on with what the same party said just before. */
  follows: boolean;
  marked: boolean;
  /** How often its receipts have moved. */
  moved: number;
  receipts: boolean;
  onReply: (message: Message) => void;
  onShow: (message: string) => void;
}

export const shortParty = (party: string): string => party.replace(/^operator\//, "");

export function MessageView(props: Props) {
  const { message, answers, follows, marked, moved, onReply, onShow } = props;
  const [asked, setAsked] = useState(false);
  const mine = message.from === myParty.value;
  const react = (emoji: string) => {
    const remove =
      message.reactions?.some((it) => it.emoji === emoji && it.by.includes(myParty.value)) === true;
    link
      .ask("chat.react", { message: message.id, emoji, ...(remove ? { remove } : {}) })
      .catch((error: unknown) => toast(`The reaction was not put: ${asError(error).message}`, "failed"));
  };
  const name = [
    "message",
    follows ? "message-follows" : "",
    marked ? "message-marked" : "",
    mine ? "message-mine" : "",
  ].join(" ");
  return (
    <article class={name} aria-label={`${shortParty(message.from)} says`} data-message={message.id}>
      {!follows && (
        <header class="message-head">
          <span class={message.from.startsWith("operator/") ? "party party-person" : "party"}>
            {shortParty(message.from)}
          </span>
          {message.to.length > 0 && (
            <span class="quiet small message-to">to {message.to.map(shortParty).join(", ")}</span>
          )}
          <Time at={message.at} />
          {message.meta && <Meta meta={message.meta} />}
        </header>
      )}
      {answers && (
        <button type="button" class="message-answers" onClick={() => onShow(answers.id)}>
          ↳ {shortParty(answers.from)}: {answers.content.slice(0, 100)}
        </button>
      )}
      {message.content !== "" && <Markdown text={message.content} />}
      {message.meta && <HowItCame turn={message.meta.turn} />}
      {message.attachments && (
        <ul class="message-files">
          {message.attachments.map((file) => (
            <li key={file.blob}>
              <a href={pathOf(file)} download={file.name}>
                {file.name}
              </a>{" "}
              <span class="quiet small">{file.bytes === undefined ? "" : bytes(file.bytes)}</span>
            </li>
          ))}
        </ul>
      )}
      {message.reactions !== undefined && message.reactions.length > 0 && (
        <div class="reactions">
          {message.reactions.map(({ emoji, by }) => (
            <button
              key={emoji}
              type="button"
              class="reaction"
              aria-pressed={by.includes(myParty.value)}
              disabled={!mayAct.value}
              title={by.map(shortParty).join(", ")}
              aria-label={`${emoji}: ${by.map(shortParty).join(", ")}`}
              onClick={() => react(emoji)}
            >
              {emoji} <span class="number">{by.length}</span>
            </button>
          ))}
        </div>
      )}
      {mine && (props.receipts || asked) && <Receipts message={message.id} moved={moved} onShow={onShow} />}
      <div class="message-acts">
        {mayAct.value && (
          <>
            <Menu
              label="React"
              items={SIGNS.map((emoji) => ({ label: emoji, act: () => react(emoji) }))}
              class="menu-signs"
            >
              <span aria-hidden="true">☺</span>
            </Menu>
            <Button kind="quiet" label="Answer this message" title="Answer" onClick={() => onReply(message)}>
              <span aria-hidden="true">↩</span>
            </Button>
          </>
        )}
        {mine && (
          <Button kind="quiet" label="Who has it" title="Who has it" onClick={() => setAsked(!asked)}>
            <span aria-hidden="true">✓</span>
          </Button>
        )}
      </div>
    </article>
  );
}

/** What the aspect did in the turn that ended with the message, as far as it was seen to stream. */
function HowItCame({ turn: id }: { turn: string }) {
  const turn = turns.value.get(id);
  const used = turn?.parts.filter((part) => part.type === "tool").length ?? 0;
  if (!turn || used === 0) return null;
  // The text that streamed last is the message itself.
  const parts = turn.parts.at(-1)?.type === "text" ? turn.parts.slice(0, -1) : turn.parts;
  return (
    <details class="turn-fold">
      <summary class="quiet small">{used === 1 ? "used a tool" : `used tools ${used} times`}</summary>
      <TurnParts turn={{ ...turn, parts }} />
    </details>
  );
}

function Meta({ meta }: { meta: ReplyMeta }) {
  const { usage, cost_microusd: cost } = meta;
  const tokens = usage ? (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0) : 0;
  const parts = [
    meta.model,
    tokens > 0 ? `${brief(tokens)} tokens` : "",
    cost === undefined ? "" : money(cost),
  ];
  return <span class="quiet small message-meta">{parts.filter((it) => it !== "").join(" · ")}</span>;
}

const RECEIPTS: Record<ReceiptState, [Tone, string]> = {
  stored: ["offline", "kept for"],
  delivered: ["busy", "with"],
  in_context: ["busy", "read by"],
  answered: ["online", "answered by"],
};

function Receipts({
  message,
  moved,
  onShow,
}: {
  message: string;
  moved: number;
  onShow: (message: string) => void;
}) {
  const { value } = useLoad(() => link.ask("chat.receipts", { message }), [message, moved]);
  if (!value || value.receipts.length === 0) return null;
  return (
    <ul class="receipts small" aria-label="Who has it">
      {value.receipts.map((receipt) => (
        <li key={receipt.party}>
          <ReceiptView receipt={receipt} onShow={onShow} />
        </li>
      ))}
    </ul>
  );
}

function ReceiptView({ receipt, onShow }: { receipt: Receipt; onShow: (message: string) => void }) {
  const { party, state, at, decision, reply } = receipt;
  const failed = decision === "failed";
  const [tone, word] = failed ? (["failed", "given up by"] as const) : RECEIPTS[state];
  const silent = decision === "silent" ? " without a word" : "";
  return (
    <>
      <Mark tone={tone} word={`${word} ${shortParty(party)}${silent}`} />{" "}
      {at !== undefined && <Time at={at} />}
      {reply !== undefined && (
        <button type="button" class="link" onClick={() => onShow(reply)}>
          show
        </button>
      )}
    </>
  );
}
