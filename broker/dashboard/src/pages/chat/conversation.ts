/** The messages of one thread as far as they were read, kept current by the log. */
import { computed, signal, type ReadonlySignal } from "@preact/signals";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import { putThread } from "../../state/threads";
import type { LogEntry, Message, Reacted } from "../../wire/frames";

const PAGE = 100;
/** Later than any message. */
const END = 2 ** 53 - 1;

/** A message that the broker has not answered yet. */
export interface Sending {
  id: string;
  content: string;
  at: number;
}

export function withReaction(message: Message, { emoji, by, removed }: Reacted): Message {
  const reactions = (message.reactions ?? []).map((it) =>
    it.emoji === emoji ? { emoji, by: it.by.filter((party) => party !== by) } : it,
  );
  if (removed !== true) {
    const known = reactions.find((it) => it.emoji === emoji);
    if (known) known.by.push(by);
    else reactions.push({ emoji, by: [by] });
  }
  return { ...message, reactions: reactions.filter((it) => it.by.length > 0) };
}

/** Both, each message once, in their order; what came later is newer. */
export function merged(old: readonly Message[], more: readonly Message[]): Message[] {
  const all = new Map<string, Message>();
  for (const message of [...old, ...more]) all.set(message.id, message);
  return [...all.values()].sort((a, b) => a.seq - b.seq);
}

export class Conversation {
  readonly messages = signal<readonly Message[]>([]);
  readonly sending = signal<readonly Sending[]>([]);
  /** There is more ahead of the first message. */
  readonly more = signal(false);
  readonly known = signal(false);
  readonly error = signal<Error | undefined>(undefined);
  /** How often receipts may have changed. */
  readonly moved = signal(0);
  readonly byId: ReadonlySignal<ReadonlyMap<string, Message>> = computed(
    () => new Map(this.messages.value.map((message) => [message.id, message])),
  );

  private reading = false;
  private readonly off: (() => void)[];

  constructor(readonly thread: string) {
    this.off = [
      link.on("log", (entry) => this.follow(entry)),
      link.on("fresh", ({ again }) => again && this.latest()),
      link.on("gap", () => this.latest()),
    ];
    this.latest();
  }

  close(): void {
    for (const off of this.off) off();
  }

  latest(): void {
    link.ask("chat.read", { thread: this.thread, before: END, limit: PAGE }).then(
      (page) => {
        const first = page.messages[0]?.seq ?? 0;
        // A hole between what is known and what is new is worse than reading the old again.
        const joins = this.messages.value.some((it) => it.seq >= first) || !page.more;
        if (!joins || !this.known.value) this.more.value = page.more;
        this.messages.value = merged(joins ? this.messages.value : [], page.messages);
        this.known.value = true;
        this.error.value = undefined;
        putThread(page.thread);
      },
      (error: unknown) => (this.error.value = asError(error)),
    );
  }

  /** One page more at the beginning. */
  async older(): Promise<void> {
    const first = this.messages.value[0];
    if (this.reading || !this.more.value || !first) return;
    this.reading = true;
    try {
      const page = await link.ask("chat.read", { thread: this.thread, before: first.seq, limit: PAGE });
      this.messages.value = merged(page.messages, this.messages.value);
      this.more.value = page.more;
    } finally {
      this.reading = false;
    }
  }

  /** Reads until `message` is there, or there is no more. */
  async reach(message: string): Promise<boolean> {
    while (!this.byId.value.has(message)) {
      if (this.known.value && !this.more.value) return false;
      if (!this.known.value) await new Promise((go) => setTimeout(go, 50));
      else await this.older();
    }
    return true;
  }

  private follow({ body, thread }: LogEntry): void {
    switch (body.type) {
      case "message":
        if (body.thread !== this.thread) return;
        this.messages.value = merged(this.messages.value, [body]);
        break;
      case "reacted":
        if (body.thread !== this.thread) return;
        this.messages.value = this.messages.value.map((it) =>
          it.id === body.message ? withReaction(it, body) : it,
        );
        break;
      case "item_taken":
      case "item_closed":
        // An item is closed with the reply, not with the message it was about; the entry names the thread, if any.
        if (thread === undefined || thread === this.thread) this.moved.value += 1;
        break;
      case "alert":
      case "dispatch_accepted":
      case "dispatch_assigned":
      case "dispatch_ended":
      case "other":
        break;
    }
  }
}
