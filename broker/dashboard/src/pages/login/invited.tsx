/** What the link of an invitation opens: its reader chooses a password, and is in. */
import { useState } from "preact/hooks";
import { Unreachable } from "../../link/refusal";
import { asError } from "../../link/use";
import { Logo } from "../../shell";
import { invitation } from "../../state/invitation";
import { acceptInvitation, endedBecause, logIn, me } from "../../state/session";
import { Button } from "../../ui/button";
import { advice } from "../../ui/fault";
import { Field } from "../../ui/field";
import { Mark } from "../../ui/mark";
import { toast } from "../../ui/toast";
import "./login.css";

const PASSWORD_MIN = 10;

/** In, and under which name from now on; also when the login right after it fails. */
async function enter(token: string, password: string): Promise<void> {
  const { name, role } = await acceptInvitation(token, password);
  const said = `You are in as ${name}, with the role ${role}.`;
  const other = me.value;
  try {
    await logIn(name, password);
    toast(`${said} Next time log in with this name and your password.`);
  } catch {
    endedBecause.value = `${said} Log in with this name and the password you chose.`;
    me.value = null;
  }
  invitation.value = undefined;
  // What was shown to somebody else is not shown to whoever came after them.
  if (other) window.location.replace("/");
}

export default function Invited() {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const differs = again !== "" && again !== password ? "This is not what stands above." : undefined;
  const submit = async (event: Event) => {
    event.preventDefault();
    const token = invitation.value;
    if (token === undefined || differs !== undefined) return;
    setBusy(true);
    setError(undefined);
    try {
      await enter(token, password);
    } catch (error) {
      setError(asError(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="login-form" onSubmit={(event) => void submit(event)}>
        <h1 class="login-title">
          <Logo /> You are invited
        </h1>
        <p class="login-note">
          Choose the password you will log in with. The invitation is good once; your name and role were
          chosen by whoever invited you.
        </p>
        {me.value && (
          <p class="login-note">
            {me.value.operator} is logged in here: accepting it logs them out of this browser.
          </p>
        )}
        <Field
          label="Password"
          required
          type="password"
          minLength={PASSWORD_MIN}
          autocomplete="new-password"
          value={password}
          onInput={setPassword}
          hint={`At least ${PASSWORD_MIN} characters.`}
        />
        <Field
          label="The password again"
          required
          type="password"
          autocomplete="new-password"
          value={again}
          onInput={setAgain}
          error={differs}
        />
        {error && (
          <p class="login-wrong" role="alert">
            <Mark tone="failed" word="failed" bare /> {error.message}. {advice(error)}
            {error instanceof Unreachable && " The invitation is good still."}
          </p>
        )}
        <Button kind="primary" type="submit" busy={busy}>
          Accept and log in
        </Button>
        <div class="login-ways">
          <Button kind="quiet" onClick={() => (invitation.value = undefined)}>
            {me.value ? "Go on without it" : "With name and password"}
          </Button>
        </div>
      </form>
    </main>
  );
}
