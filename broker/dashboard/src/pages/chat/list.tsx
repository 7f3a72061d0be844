/** The threads, and what a search finds in all of them. */
import { useEffect, useState } from "preact/hooks";
import { Link as Anchor, useLocation } from "wouter-preact";
import { usePages } from "../../link/pages";
import { search } from "../../link/trail";
import { moreThreads, readThreads, threads, threadsKnown } from "../../state/threads";
import { turns } from "../../state/turns";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { ChatHit, ThreadInfo } from "../../wire/frames";
import { shortParty } from "./message";

const SETTLES_MS = 250;

export function Threads({ here }: { here: string | undefined }) {
  const [typed, setTyped] = useState("");
  const [query, setQuery] = useState("");
  const [, go] = useLocation();
  useEffect(() => {
    const timer = setTimeout(() => setQuery(typed.trim()), SETTLES_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const wanted = typed.trim().toLowerCase();
  const shown = threads.value.filter((it) => it.title.toLowerCase().includes(wanted));
  const key = (event: KeyboardEvent) => {
    const links = [...document.querySelectorAll<HTMLElement>(".threads a.thread")];
    const at = links.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp") links[Math.max(at - 1, 0)]?.focus();
    else if (event.key === "Escape") setTyped("");
    else return;
    event.preventDefault();
  };
  return (
    <div class="threads" onKeyDown={key}>
      <div class="threads-head">
        <input
          class="input"
          type="search"
          data-search
          aria-label="Search threads and messages"
          placeholder="Search"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <Button onClick={() => go("/chat/new")} title="n" label="New thread">
          New
        </Button>
      </div>
      <div class="threads-list" tabIndex={-1}>
        {!threadsKnown.value && <Loading what="the threads" />}
        {threadsKnown.value && threads.value.length === 0 && (
          <Empty title="Nobody has said anything yet.">
            <Anchor href="/chat/new">Write the first message</Anchor>
          </Empty>
        )}
        <ul aria-label="Threads">
          {shown.map((thread) => (
            <li key={thread.id}>
              <Thread thread={thread} here={thread.id === here} />
            </li>
          ))}
        </ul>
        {wanted === "" && moreThreads.value !== undefined && (
          <Button kind="quiet" onClick={() => readThreads(moreThreads.value)}>
            Older threads
          </Button>
        )}
        {query !== "" && <Found query={query} />}
      </div>
    </div>
  );
}

function Thread({ thread, here }: { thread: ThreadInfo; here: boolean }) {
  const live = [...turns.value.values()].some((it) => it.thread === thread.id && !it.ended);
  const unread = thread.unread ?? 0;
  const others = thread.participants.map(shortParty);
  return (
    <Anchor
      href={`/chat/${thread.id}`}
      class={here ? "thread thread-here" : "thread"}
      aria-current={here ? "page" : undefined}
    >
      <span class={unread > 0 ? "thread-title thread-unread" : "thread-title"}>
        {thread.title || "Without a title"}
      </span>
      <span class="thread-time">
        <Time at={thread.last_at} />
      </span>
      <span class="thread-who quiet small">
        {others.slice(0, 4).join(", ")}
        {others.length > 4 && ` +${others.length - 4}`}
      </span>
      <span class="thread-signs">
        {thread.paused && <Mark tone="stalled" word="paused" bare />}
        {live && <Mark tone="busy" word="somebody is at work" bare />}
        {unread > 0 && (
          <span class="waits" title={`${unread} unread`}>
            {unread > 998 ? "999+" : unread}
            <span class="hidden"> unread</span>
          </span>
        )}
      </span>
    </Anchor>
  );
}

function Found({ query }: { query: string }) {
  const { rows, error, more, loadMore, reload } = usePages<ChatHit>(
    async (cursor) => {
      const page = await search({
        query,
        limit: 50,
        ...(cursor === undefined ? {} : { cursor: Number(cursor) }),
      });
      return { rows: page.hits, next: page.next?.toString() };
    },
    [query],
  );
  if (error && !rows) return <Fault what="The search failed" error={error} retry={reload} />;
  if (!rows) return <Loading what="messages" />;
  const none = more ? "No message matches so far" : "No message matches";
  return (
    <section class="found" aria-label="Messages that match">
      <h2 class="found-title">{rows.length === 0 ? none : "Messages"}</h2>
      <ul>
        {rows.map((hit) => (
          <li key={hit.message}>
            <Hit hit={hit} />
          </li>
        ))}
      </ul>
      {more && (
        <Button kind="quiet" onClick={loadMore}>
          Older messages
        </Button>
      )}
    </section>
  );
}

function Hit({ hit }: { hit: ChatHit }) {
  return (
    <Anchor href={`/chat/${hit.thread}?message=${hit.message}`} class="thread">
      <span class="thread-title">{hit.title}</span>
      <span class="thread-time">
        <Time at={hit.at} />
      </span>
      <span class="found-text small">
        {shortParty(hit.from)}:{" "}
        {hit.snippet.map((piece, at) =>
          piece.hit === true ? <mark key={at}>{piece.text}</mark> : piece.text,
        )}
      </span>
    </Anchor>
  );
}
