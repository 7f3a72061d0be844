/** What a team that is nobody yet says: how it begins. */
import { Link as Anchor } from "wouter-preact";
import { mayAdmin } from "../../state/session";
import { Empty } from "../../ui/empty";

export function Nobody() {
  return (
    <Empty title="Nobody is on the team yet.">
      {mayAdmin.value ? (
        <>
          Make an agent with <code>agent new agents/wren</code> and start the broker with{" "}
          <code>nexus serve --spawn agents</code>, or let one in under{" "}
          <Anchor href="/settings">Settings</Anchor>.
        </>
      ) : (
        "An admin lets aspects in."
      )}
    </Empty>
  );
}
