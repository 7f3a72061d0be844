/** The invitation somebody came with. */
import { signal } from "@preact/signals";

/** The fragment is never sent to a server, and is taken out of the address at once. */
function taken(): string | undefined {
  const found = /^#invite=(.+)$/.exec(window.location.hash)?.[1];
  if (found === undefined) return undefined;
  window.history.replaceState(null, "", window.location.pathname);
  try {
    return decodeURIComponent(found);
  } catch {
    return found;
  }
}

/** Its token, until it is accepted or left. */
export const invitation = signal<string | undefined>(taken());

// A link that is opened on a page of ours loads nothing anew.
window.addEventListener("hashchange", () => {
  invitation.value = taken() ?? invitation.value;
});
