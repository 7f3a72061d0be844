/** Where the dashboard begins: who is it, and what do they get to see. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/shell.css";
import "./ui/theme";
import { Unreachable } from "./link/refusal";
import { asError } from "./link/use";
import { invitation } from "./state/invitation";
import { me, recognise } from "./state/session";
import { Fault } from "./ui/fault";
import { lazily } from "./ui/lazy";
import { Toasts } from "./ui/toast";
import { Shell } from "./shell";

const Login = lazily(() => import("./pages/login"), "the login");
const Invited = lazily(() => import("./pages/login/invited"), "the invitation");
const RETRY_MS = 2_000;

function App() {
  const [error, setError] = useState<Error>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    recognise().then(
      () => setError(undefined),
      (error: unknown) => {
        setError(asError(error));
        if (error instanceof Unreachable) timer = setTimeout(() => setTurn(turn + 1), RETRY_MS);
      },
    );
    return () => clearTimeout(timer);
  }, [turn]);
  if (me.value !== undefined && invitation.value !== undefined) return <Invited />;
  if (me.value) return <Shell />;
  if (me.value === null) return <Login />;
  if (!error) return null;
  return (
    <main class="alone">
      <Fault what="Nexus cannot be reached" error={error} retry={() => setTurn(turn + 1)} />
    </main>
  );
}

const root = document.getElementById("app");
if (root) {
  render(
    <>
      <App />
      <Toasts />
    </>,
    root,
  );
}
