/** Chat: the threads at the left, one of them at the right, and where one writes below it. */
import { useEffect, useState } from "preact/hooks";
import { useLocation, useRoute, useSearchParams } from "wouter-preact";
import { readThread, threadOf } from "../../state/threads";
import { Empty } from "../../ui/empty";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/page";
import type { ChatSent, Message } from "../../wire/frames";
import { Composer } from "./composer";
import { Conversation } from "./conversation";
import { Head } from "./head";
import { Threads } from "./list";
import { Messages } from "./messages";
import "./chat.css";

export default function Chat() {
  const [, params] = useRoute("/chat/:thread?");
  const [, go] = useLocation();
  const thread = params?.thread;
  const compose = () => document.querySelector<HTMLElement>(".composer-text")?.focus();
  useKeys("Chat", [
    { keys: "n", does: "New thread", act: () => go("/chat/new") },
    { keys: "c", does: "Write in this thread", act: compose },
    { keys: "j", does: "To the threads; arrows move, Enter opens", act: () => focusThread() },
  ]);
  return (
    <Page title="Chat" fills>
      <div class={thread === undefined ? "chat" : "chat chat-open"}>
        <Threads here={thread} />
        <div class="chat-thread">
          {thread === undefined && (
            <Empty title="No thread is open.">Choose one at the left, or press n and begin one.</Empty>
          )}
          {thread === "new" && <NewThread onSent={(sent) => go(`/chat/${sent.thread}`)} />}
          {thread !== undefined && thread !== "new" && <Open key={thread} thread={thread} />}
        </div>
      </div>
    </Page>
  );
}

function focusThread(): void {
  const found =
    document.querySelector<HTMLElement>(".thread-here") ?? document.querySelector<HTMLElement>("a.thread");
  found?.focus();
}

function NewThread({ onSent }: { onSent: (sent: ChatSent) => void }) {
  return (
    <div class="chat-new">
      <header class="chat-head">
        <a class="chat-back" href="/chat" aria-label="All threads">
          ←
        </a>
        <h2>New thread</h2>
      </header>
      <div class="chat-space">
        <p class="quiet">
          Mention whom it is for with @name, several if you like, or @all. Without a mention it goes to the
          lead of the team.
        </p>
      </div>
      <Composer onSent={onSent} onReplyTo={() => undefined} />
    </div>
  );
}

function Open({ thread }: { thread: string }) {
  const [conversation] = useState(() => new Conversation(thread));
  const [replyTo, setReplyTo] = useState<Message>();
  const [search, setSearch] = useSearchParams();
  useEffect(() => {
    if (!threadOf(thread)) readThread(thread);
    return () => conversation.close();
  }, [thread, conversation]);
  const { sending } = conversation;
  return (
    <>
      <Head thread={thread} />
      <Messages
        conversation={conversation}
        show={search.get("message") ?? undefined}
        onShow={(message) => setSearch({ message })}
        onReply={setReplyTo}
      />
      <Composer
        thread={thread}
        replyTo={replyTo}
        onReplyTo={setReplyTo}
        onSent={() => setSearch({}, { replace: true })}
        onSending={(id, content) => (sending.value = [...sending.value, { id, content, at: Date.now() }])}
        onRefused={(id) => (sending.value = sending.value.filter((it) => it.id !== id))}
      />
    </>
  );
}
