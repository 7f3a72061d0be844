/** What was written and not sent: kept in the browser, so that a reload loses none of it. */
import type { Attachment } from "../../wire/frames";

export interface Draft {
  text: string;
  topic: string;
  attachments: Attachment[];
  /** The id it was sent under, once it was: sent again as it is, it is the same message. */
  sent?: { id: string; as: string } | undefined;
}

const KEPT_AS = "nexus.draft.";
export const EMPTY: Draft = { text: "", topic: "", attachments: [] };

export function keptDraft(thread: string): Draft {
  try {
    const found = localStorage.getItem(KEPT_AS + thread);
    return found === null ? EMPTY : { ...EMPTY, ...(JSON.parse(found) as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}

export function keepDraft(thread: string, draft: Draft): void {
  const nothing = draft.text === "" && draft.topic === "" && draft.attachments.length === 0;
  try {
    if (nothing) localStorage.removeItem(KEPT_AS + thread);
    else localStorage.setItem(KEPT_AS + thread, JSON.stringify(draft));
  } catch {
    // A browser that keeps nothing loses drafts at a reload, and nothing else.
  }
}
