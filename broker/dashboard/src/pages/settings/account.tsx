/** You: how long this session lasts, your password, your API tokens. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { asError } from "../../link/use";
import { logIn, me } from "../../state/session";
import { Button } from "../../ui/button";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { duration } from "../../ui/format";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import { passwordFault } from "./person";
import { Tokens } from "./tokens";

export function Account() {
  const session = me.value;
  if (!session) return null;
  const { operator, role, expires_at, idle_s } = session;
  return (
    <section class="settings" aria-label="You">
      <dl class="about">
        <dt>Name</dt>
        <dd>{operator}</dd>
        <dt>Role</dt>
        <dd>{role}</dd>
        <dt>This session</dt>
        <dd>
          ends after {duration(idle_s)} without use
          {expires_at !== undefined && (
            <>
              , and <Time at={expires_at} /> at the latest
            </>
          )}
        </dd>
      </dl>
      <section aria-label="Password">
        <h2>Password</h2>
        <Password name={operator} />
      </section>
      <section aria-label="API tokens">
        <h2>API tokens</h2>
        <p class="quiet">For nexctl, scripts and other programs that act as you.</p>
        <Tokens name={operator} />
      </section>
    </section>
  );
}

function Password({ name }: { name: string }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<Error>();
  const differs = again !== "" && again !== next ? "It is not the same." : undefined;
  const ready = next !== "" && passwordFault(next) === undefined && again === next;
  const change = async () => {
    setError(undefined);
    try {
      await rest("PUT", `operators/${name}/password`, {
        password: next,
        ...(current === "" ? {} : { current }),
      });
      // A new password ends every session, this one too.
      await logIn(name, next);
      setCurrent("");
      setNext("");
      setAgain("");
      toast("Your password is changed; your other sessions have ended");
    } catch (error) {
      setError(asError(error));
    }
  };
  return (
    <form class="settings-form" onSubmit={(event) => event.preventDefault()}>
      <input
        class="hidden"
        type="text"
        autocomplete="username"
        value={name}
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <Field
        label="The password that is good now"
        type="password"
        autocomplete="current-password"
        value={current}
        onInput={setCurrent}
        hint="Leave it empty if you have none yet."
      />
      <Field
        label="The new one"
        type="password"
        autocomplete="new-password"
        value={next}
        onInput={setNext}
        error={passwordFault(next)}
      />
      <Field
        label="The new one again"
        type="password"
        autocomplete="new-password"
        value={again}
        onInput={setAgain}
        error={differs}
      />
      <div>
        <Button type="submit" disabled={!ready} onClick={change}>
          Change the password
        </Button>
      </div>
      {error && <Fault what="The password stays as it is" error={error} safe="" />}
    </form>
  );
}
