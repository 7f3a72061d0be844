/** Where a subscription goes on after the link was down: what was seen, as the next `subscribe` says it. */
import type { Gap, LogEntry, ObserveGap, Observed, Subscribe, Subscribed } from "../wire/frames";

export class Resume {
  /** The last entry of the log that was seen; absent before the first answer. */
  private seq: number | undefined;
  /** The same of what each aspect streams. */
  private readonly observed = new Map<string, number>();

  subscribe(): Subscribe {
    const all = { observe: true, roster: true, activity: true };
    // Also the first time: a page that is opened in the middle of a turn shows it from where it is kept.
    if (this.seq === undefined) return { ...all, observe_from: {} };
    return { ...all, from_seq: this.seq, observe_from: Object.fromEntries(this.observed) };
  }

  /** The first answer says where "from now on" begins; later ones follow what was asked. */
  subscribed({ head }: Subscribed): void {
    this.seq ??= head;
  }

  /** False when the entry was seen already. */
  log(entry: LogEntry): boolean {
    if (this.seq !== undefined && entry.seq <= this.seq) return false;
    this.seq = entry.seq;
    return true;
  }

  observe(frame: Observed): boolean {
    const seen = this.observed.get(frame.aspect);
    const { aspect, seq = 0 } = frame;
    if (seen !== undefined && seq <= seen) return false;
    this.observed.set(aspect, seq);
    return true;
  }

  /** Entries were pruned: the log goes on after them. Or it has another history, which begins at `from`. */
  gap(gap: Gap): void {
    const anotherHistory = this.seq !== undefined && gap.from <= this.seq;
    this.seq = anotherHistory ? gap.from - 1 : gap.to;
  }

  /** False when nothing of the aspect was seen before: what is kept no longer was never missed. */
  observeGap(gap: ObserveGap): boolean {
    const seen = this.observed.get(gap.aspect);
    const anotherHistory = seen !== undefined && gap.from <= seen;
    this.observed.set(gap.aspect, anotherHistory ? gap.from - 1 : gap.to);
    return seen !== undefined;
  }
}
