/** The messages of a thread, of which only what is seen is in the page, and the turns that stream in it. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { link } from "../../link/link";
import { mayAct, myParty } from "../../state/session";
import { markRead, threadOf } from "../../state/threads";
import type { LiveTurn } from "../../state/turn";
import { turns } from "../../state/turns";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Mark } from "../../ui/mark";
import { TurnParts } from "../../ui/turn";
import { toast } from "../../ui/toast";
import { useVirtual } from "../../ui/virtual";
import type { Message } from "../../wire/frames";
import type { Conversation, Sending } from "./conversation";
import { MessageView, shortParty } from "./message";

type Row =
  | { kind: "message"; key: string; message: Message; follows: boolean }
  | { kind: "sending"; key: string; sending: Sending }
  | { kind: "turn"; key: string; turn: LiveTurn };

/** Messages of one party within this time belong together. */
const TOGETHER_MS = 5 * 60_000;
/** Whoever is this near to the end wants to see what comes. */
const NEAR_END = 80;
const NEAR_START = 400;
/** Of the last messages of one's own it is shown who has them. */
const RECEIPTS_OF = 3;

function rowsOf(conversation: Conversation): Row[] {
  const { messages, sending, thread } = conversation;
  const rows: Row[] = messages.value.map((message, at) => {
    const before = messages.value[at - 1];
    const follows =
      before?.from === message.from &&
      message.at - before.at < TOGETHER_MS &&
      message.reply_to === undefined &&
      before.to.join() === message.to.join();
    return { kind: "message", key: message.id, message, follows };
  });
  const said = new Set(messages.value.map((it) => it.meta?.turn));
  for (const turn of turns.value.values()) {
    if (turn.thread !== thread || said.has(turn.turn) || turn.dispatch !== undefined) continue;
    // What has ended is superseded by its message; without one it is worth a row only when it went wrong, and
    // as long as nothing was said since.
    const last = messages.value.at(-1)?.id;
    if (turn.ended && (turn.ended.decision !== "failed" || turn.message !== last)) continue;
    rows.push({ kind: "turn", key: turn.turn, turn });
  }
  for (const it of sending.value) rows.push({ kind: "sending", key: it.id, sending: it });
  return rows;
}

interface Props {
  conversation: Conversation;
  show: string | undefined;
  onShow: (message: string) => void;
  onReply: (message: Message) => void;
}

export function Messages({ conversation, show, onShow, onReply }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const stick = useRef(true);
  const rows = rowsOf(conversation);
  const virtual = useVirtual({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 72,
    getItemKey: (at) => rows[at]?.key ?? at,
    overscan: 8,
    paddingStart: 16,
    paddingEnd: 16,
  });
  const total = virtual.getTotalSize();
  const first = rows[0]?.key;
  const before = useRef({ first, total, top: 0 });

  useLayoutEffect(() => {
    const element = scroll.current;
    if (!element) return;
    const old = before.current;
    // Older messages came in above: what was looked at stays where it is.
    if (old.first !== undefined && first !== old.first && rows.some((it) => it.key === old.first)) {
      element.scrollTop += total - old.total;
    } else if (stick.current && show === undefined) element.scrollTop = element.scrollHeight;
    before.current = { first, total, top: element.scrollTop };
  });
  const count = conversation.messages.value.length;
  useEffect(() => {
    const last = conversation.messages.value.at(-1);
    if (last && document.visibilityState === "visible") markRead(conversation.thread, last.seq);
  }, [count, conversation, threadOf(conversation.thread)?.unread]);
  useEffect(() => {
    if (show === undefined) return;
    let dropped = false;
    stick.current = false;
    void conversation.reach(show).then((found) => {
      if (dropped) return;
      if (!found) {
        toast("This message is kept no longer", "deaf");
        return;
      }
      const at = rowsOf(conversation).findIndex((it) => it.key === show);
      requestAnimationFrame(() => virtual.scrollToIndex(at, { align: "center" }));
    });
    return () => {
      dropped = true;
    };
  }, [show, conversation]);

  const scrolled = () => {
    const element = scroll.current;
    if (!element) return;
    const end = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    stick.current = end;
    if (end !== atEnd) setAtEnd(end);
    if (element.scrollTop < NEAR_START) conversation.older().catch(() => undefined);
  };
  const mine = conversation.messages.value.filter((it) => it.from === myParty.value).slice(-RECEIPTS_OF);
  const lately = new Set(mine.map((it) => it.id));
  const error = conversation.error.value;
  return (
    <div class="messages-frame">
      {/* The log role says that what comes is read out; the list can be scrolled by key. */}
      <div ref={scroll} class="messages" role="log" aria-label="Messages" tabIndex={0} onScroll={scrolled}>
        {error && (
          <Fault what="The messages could not be read" error={error} retry={() => conversation.latest()} />
        )}
        {!error && !conversation.known.value && <Loading what="the messages" />}
        {conversation.known.value && rows.length === 0 && (
          <Empty title="No message of this thread is kept any more.">Write one below, and it goes on.</Empty>
        )}
        <div class="messages-all" style={{ height: `${total}px` }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <div
                key={item.key}
                ref={(element) => virtual.measureElement(element)}
                data-index={item.index}
                class="messages-row"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {row.kind === "message" && (
                  <MessageView
                    message={row.message}
                    answers={answered(conversation, rows[item.index - 1], row.message)}
                    follows={row.follows}
                    marked={row.key === show}
                    moved={conversation.moved.value}
                    receipts={lately.has(row.key)}
                    onReply={onReply}
                    onShow={onShow}
                  />
                )}
                {row.kind === "turn" && <TurnView turn={row.turn} />}
                {row.kind === "sending" && <SendingView sending={row.sending} />}
              </div>
            );
          })}
        </div>
      </div>
      {!atEnd && (
        <Button
          class="messages-end"
          onClick={() => {
            stick.current = true;
            scroll.current?.scrollTo({ top: scroll.current.scrollHeight });
          }}
        >
          ↓ To the end
        </Button>
      )}
    </div>
  );
}

function answered(
  conversation: Conversation,
  before: Row | undefined,
  message: Message,
): Message | undefined {
  if (message.reply_to === undefined || message.reply_to === before?.key) return undefined;
  return conversation.byId.value.get(message.reply_to);
}

function SendingView({ sending }: { sending: Sending }) {
  const down = link.state.value.at !== "open";
  return (
    <article class="message message-mine message-sending">
      <header class="message-head">
        <span class="party party-person">you</span>
        <Mark tone="stalled" word={down ? "waits for the broker" : "on its way"} />
      </header>
      <p class="message-plain">{sending.content}</p>
    </article>
  );
}

function TurnView({ turn }: { turn: LiveTurn }) {
  const stop = () =>
    link
      .ask("turn.cancel", { of: turn.aspect, turn: turn.turn, reason: "stopped in the dashboard" })
      .then(() => toast(`${turn.aspect} is told to stop`));
  const last = turn.parts.at(-1);
  const word = !last
    ? "waits for its model"
    : last.type === "tool" && !last.result
      ? `uses ${last.name}`
      : last.type === "thinking"
        ? "thinks"
        : "writes";
  return (
    <article class="message message-live" aria-label={`${turn.aspect} is at work`}>
      <header class="message-head">
        <span class="party">{turn.aspect}</span>
        {turn.ended ? <Mark tone="failed" word="gave this turn up" /> : <Mark tone="busy" word={word} />}
        {!turn.ended && mayAct.value && (
          <Button kind="quiet" onClick={stop} label={`Stop the turn of ${shortParty(turn.aspect)}`}>
            Stop
          </Button>
        )}
      </header>
      <TurnParts turn={turn} />
    </article>
  );
}
