/** The way in: the setup token on first use, then name and password, or an API token. */
import { useState } from "preact/hooks";
import { Unreachable } from "../../link/refusal";
import { asError } from "../../link/use";
import { Logo } from "../../shell";
import { endedBecause, logIn, logInByToken, setUp } from "../../state/session";
import { Button } from "../../ui/button";
import { advice } from "../../ui/fault";
import { Field } from "../../ui/field";
import { Mark } from "../../ui/mark";
import "./login.css";

type Way = "password" | "token" | "setup";

const TITLES: Record<Way, string> = {
  password: "Log in",
  token: "Log in with a token",
  setup: "Set up this Nexus",
};

/** The fragment is never sent to a server, and is taken out of the address at once. */
function takeSetupToken(): string {
  const found = /^#setup=(.+)$/.exec(window.location.hash)?.[1];
  if (found === undefined) return "";
  window.history.replaceState(null, "", window.location.pathname);
  return decodeURIComponent(found);
}

export default function Login() {
  const [setupToken, setSetupToken] = useState(takeSetupToken);
  const [way, setWay] = useState<Way>(setupToken === "" ? "password" : "setup");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [token, setToken] = useState("");
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const turn = (to: Way) => {
    setWay(to);
    setError(undefined);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      if (way === "password") await logIn(name, password);
      else if (way === "token") await logInByToken(token.trim());
      else await setUp(setupToken.trim(), name, password);
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
          <Logo /> {TITLES[way]}
        </h1>
        {endedBecause.value !== undefined && <p class="login-note">{endedBecause.value}</p>}
        {way === "setup" && (
          <>
            <p class="login-note">
              You become its first admin. The setup token was printed where the broker was started; it is good
              once.
            </p>
            <Field label="Setup token" mono required value={setupToken} onInput={setSetupToken} />
          </>
        )}
        {way === "token" ? (
          <Field
            label="API token"
            mono
            required
            type="password"
            autocomplete="off"
            value={token}
            onInput={setToken}
            hint="It begins with nxo_. On the broker's machine it is in the file operator.token of its data folder."
          />
        ) : (
          <>
            <Field
              label="Name"
              required
              autocomplete="username"
              pattern="[a-z][a-z0-9\-]{0,31}"
              title="Lower-case letters, digits and dashes, beginning with a letter"
              value={name}
              onInput={setName}
            />
            <Field
              label="Password"
              required
              type="password"
              minLength={way === "setup" ? 10 : undefined}
              autocomplete={way === "setup" ? "new-password" : "current-password"}
              value={password}
              onInput={setPassword}
              hint={way === "setup" ? "At least 10 characters." : undefined}
            />
          </>
        )}
        {error && <Wrong error={error} way={way} />}
        <Button kind="primary" type="submit" busy={busy}>
          {way === "setup" ? "Set up and log in" : "Log in"}
        </Button>
        <div class="login-ways">
          {way !== "password" && (
            <Button kind="quiet" onClick={() => turn("password")}>
              With name and password
            </Button>
          )}
          {way !== "token" && (
            <Button kind="quiet" onClick={() => turn("token")}>
              With an API token
            </Button>
          )}
          {way !== "setup" && (
            <Button kind="quiet" onClick={() => turn("setup")}>
              First use
            </Button>
          )}
        </div>
      </form>
    </main>
  );
}

function Wrong({ error, way }: { error: Error; way: Way }) {
  return (
    <p class="login-wrong" role="alert">
      <Mark tone="failed" word="failed" bare /> {error.message}. {advice(error)}
      {error instanceof Unreachable && " Start it with: nexus serve."}
      {way === "setup" &&
        !(error instanceof Unreachable) &&
        " A new setup token is made by: nexus token setup."}
    </p>
  );
}
