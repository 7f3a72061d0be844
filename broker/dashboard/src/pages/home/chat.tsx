/** The last messages of a thread, what streams in it, and a place to write. */
import { useEffect, useState } from "preact/hooks";
import { link } from "../../link/link";
import { useLoad, useLog } from "../../link/use";
import { mayAct, myParty } from "../../state/session";
import { turns } from "../../state/turns";
import { Mark } from "../../ui/mark";
import { Markdown } from "../../ui/markdown";
import { Time } from "../../ui/time";
import { TurnParts } from "../../ui/turn";
import type { HomeThread } from "../../wire/http";
import { Composer } from "../chat/composer";
import { Conversation } from "../chat/conversation";
import { shortParty } from "../chat/message";
import { Part, Unread } from "./part";
import { Link } from "wouter-preact";
import "../chat/chat.css";

interface Props {
  title: string;
  most: number;
  thread: HomeThread;
}

export default function Chat({ title, most, thread }: Props) {
  const { id, with: who = "" } = thread;
  const { value, error, reload } = useLoad(async () => {
    if (id !== undefined) return { found: id };
    const page = await link.ask("chat.threads", { participant: who, limit: 1 });
    return { found: page.threads[0]?.id };
  }, [thread]);
  useLog(({ body }) => {
    // The latest one with somebody may be another one from now on.
    const about = body.type === "message" && [body.from, ...body.to].includes(who);
    if (about && body.thread !== value?.found) reload();
  });
  const found = value?.found;
  return (
    <Part title={title} href={found === undefined ? "/chat" : `/chat/${found}`}>
      {!value && <Unread what="the thread" error={error} retry={reload} />}
      {value && found === undefined && (
        <p class="quiet">
          There is no thread with {who} yet. {mayAct.value && <Link href="/chat/new">Begin one</Link>}
        </p>
      )}
      {found !== undefined && <Said key={found} thread={found} most={most} />}
    </Part>
  );
}

function Said({ thread, most }: { thread: string; most: number }) {
  const [conversation] = useState(() => new Conversation(thread));
  useEffect(() => () => conversation.close(), [conversation]);
  const { messages, known, error, sending } = conversation;
  if (!known.value) {
    return <Unread what="the messages" error={error.value} retry={() => conversation.latest()} />;
  }
  const shown = messages.value.slice(-most);
  const said = new Set(shown.map(({ meta }) => meta?.turn));
  const live = [...turns.value.values()].filter(
    (turn) => turn.thread === thread && turn.dispatch === undefined && !turn.ended && !said.has(turn.turn),
  );
  return (
    <div class="home-chat">
      <div class="home-said" role="log" aria-label="Messages" tabIndex={0}>
        {shown.length === 0 && <p class="quiet">No message of this thread is kept any more.</p>}
        {shown.map((message) => (
          <article key={message.id} class={message.from === myParty.value ? "home-mine" : undefined}>
            <p class="small">
              <span class="party">{shortParty(message.from)}</span> <Time at={message.at} />
            </p>
            <Markdown text={message.content} />
          </article>
        ))}
        {live.map((turn) => (
          <article key={turn.turn} aria-label={`${turn.aspect} is at work`}>
            <p class="small">
              <span class="party">{turn.aspect}</span> <Mark tone="busy" word="writes" />
            </p>
            <TurnParts turn={turn} />
          </article>
        ))}
        {sending.value.map(({ id, content }) => (
          <article key={id} class="home-mine">
            <p class="small">
              <span class="party">you</span> <Mark tone="stalled" word="on its way" />
            </p>
            <p class="message-plain">{content}</p>
          </article>
        ))}
      </div>
      {mayAct.value && (
        <Composer
          calm
          thread={thread}
          onReplyTo={() => undefined}
          onSent={() => undefined}
          onSending={(id, content) => (sending.value = [...sending.value, { id, content, at: Date.now() }])}
          onRefused={(id) => (sending.value = sending.value.filter((it) => it.id !== id))}
        />
      )}
    </div>
  );
}
