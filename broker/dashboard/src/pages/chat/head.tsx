/** The head of a thread: its title, which can be changed, who takes part, and what is to be stopped. */
import { useState } from "preact/hooks";
import { Link as Anchor } from "wouter-preact";
import { link } from "../../link/link";
import { mayAct } from "../../state/session";
import { putThread, threadOf } from "../../state/threads";
import { turns } from "../../state/turns";
import { Button } from "../../ui/button";
import { Id } from "../../ui/id";
import { Mark } from "../../ui/mark";
import { toast } from "../../ui/toast";
import { asError } from "../../link/use";
import { shortParty } from "./message";

export function Head({ thread: id }: { thread: string }) {
  const thread = threadOf(id);
  const [title, setTitle] = useState<string>();
  const live = [...turns.value.values()].filter(
    (it) => it.thread === id && !it.ended && it.dispatch === undefined,
  );
  const rename = async (event: Event) => {
    event.preventDefault();
    const next = title?.trim() ?? "";
    setTitle(undefined);
    if (!thread || next === "" || next === thread.title) return;
    try {
      putThread({ ...thread, title: (await link.ask("thread.rename", { thread: id, title: next })).title });
    } catch (error) {
      toast(`The title stays: ${asError(error).message}`, "failed");
    }
  };
  const stop = async () => {
    const aspects = [...new Set(live.map((it) => it.aspect))];
    await Promise.all(
      aspects.map((of) => link.ask("turn.cancel", { of, thread: id, reason: "stopped in the dashboard" })),
    );
    toast(`${aspects.join(", ")}: told to stop`);
  };
  return (
    <header class="chat-head">
      <Anchor href="/chat" class="chat-back" aria-label="All threads">
        ←
      </Anchor>
      <div class="chat-about">
        {title === undefined ? (
          <h2 class="chat-title">
            {mayAct.value ? (
              <button type="button" title="Change the title" onClick={() => setTitle(thread?.title ?? "")}>
                {thread?.title || "Without a title"}
              </button>
            ) : (
              thread?.title
            )}
          </h2>
        ) : (
          <form onSubmit={(event) => void rename(event)}>
            <input
              class="input"
              aria-label="Title"
              value={title}
              maxLength={250}
              ref={(element) => element?.focus()}
              onInput={(event) => setTitle(event.currentTarget.value)}
              onBlur={(event) => void rename(event)}
              onKeyDown={(event) => event.key === "Escape" && setTitle(undefined)}
            />
          </form>
        )}
        <p class="quiet small chat-who">
          {thread?.participants.map(shortParty).join(", ")}
          {(thread?.participants_left_out ?? 0) > 0 && ` and ${thread?.participants_left_out ?? 0} more`}
          <Id id={id} what="thread's id" />
        </p>
      </div>
      {thread?.paused === true && <Mark tone="stalled" word="paused: say something, and it goes on" />}
      {live.length > 0 && mayAct.value && (
        <Button kind="danger" onClick={stop}>
          Stop
        </Button>
      )}
    </header>
  );
}
