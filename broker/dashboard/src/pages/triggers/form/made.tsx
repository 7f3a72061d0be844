/** What a service outside has to be given: where it sends its requests, and the secret, which is shown this once. */
import { Dialog } from "../../../ui/dialog";
import { SecretOnce } from "../../../ui/once";
import type { TriggerRotated } from "../../../wire/frames";

export interface Door extends TriggerRotated {
  /** It has a secret. */
  ready: boolean;
}

export function Made({ door, onClose }: { door: Door; onClose: () => void }) {
  const { trigger, secret, ready } = door;
  if (secret !== undefined) {
    return (
      <SecretOnce title={`The webhook of ${trigger}`} what="secret" secret={secret} onClose={onClose}>
        <Address door={door} />
        <p>Give both to the service. The secret is shown this once.</p>
      </SecretOnce>
    );
  }
  return (
    <Dialog title={`The webhook of ${trigger}`} onClose={onClose}>
      <Address door={door} />
      <p>
        {ready
          ? "Give it to the service. Its secret is known."
          : "Give it to the service, and put the secret that it shows you here with Change: until then every request is refused."}
      </p>
    </Dialog>
  );
}

function Address({ door: { url, path } }: { door: Door }) {
  return (
    <div class="field">
      <span class="trigger-label" id="hook-address">
        Address
      </span>
      <code class="trigger-address" aria-labelledby="hook-address">
        {url ?? `${location.origin}${path}`}
      </code>
      {url === undefined && (
        <p class="field-hint">
          As you reach this broker; the service may need another name for it. Set public_url in nexus.toml to
          have it here.
        </p>
      )}
    </div>
  );
}
