/** The broker: which it is, whether it is well, what should be looked at; a backup; where to look further. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { Unreachable } from "../../link/refusal";
import { rest } from "../../link/rest";
import { asError, useLoad } from "../../link/use";
import { mayAdmin, nexus } from "../../state/session";
import { alerts } from "../../state/team";
import { Button } from "../../ui/button";
import { Check } from "../../ui/choice";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { bytes, duration } from "../../ui/format";
import { Id } from "../../ui/id";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import type { BackupMade, Problem } from "../../wire/http";
import { OnlyAdmins } from "./only";

const LOOK_MS = 10_000;

/** What the broker says of itself; a reason when it cannot write. */
async function readiness(): Promise<{ ready: boolean; why: string }> {
  let response: Response;
  try {
    response = await fetch("/readyz");
  } catch {
    throw new Unreachable();
  }
  if (response.ok) return { ready: true, why: "" };
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  return { ready: false, why: problem?.detail ?? `HTTP ${response.status}` };
}

export function BrokerTab() {
  return (
    <section class="settings" aria-label="The broker">
      <About />
      <Warnings />
      <section aria-label="Backup">
        <h2>Backup</h2>
        {mayAdmin.value ? <Backup /> : <OnlyAdmins what="the broker" />}
      </section>
      <section aria-label="Further">
        <h2>Further</h2>
        <ul>
          <li>
            <a href="/metrics" target="_blank" rel="noopener">
              Metrics
            </a>{" "}
            <span class="quiet">in the text form of OpenMetrics, for Prometheus</span>
          </li>
          <li>
            <a href="/api/docs" target="_blank" rel="noopener">
              The HTTP API
            </a>{" "}
            <span class="quiet">what scripts can do</span>
          </li>
          <li>
            <Link href="/audit?kind=broker">When it was started</Link> ·{" "}
            <Link href="/audit?kind=refused">What was refused</Link>
          </li>
        </ul>
      </section>
    </section>
  );
}

function About() {
  const health = useLoad(readiness, []);
  useEffect(() => {
    const timer = setInterval(health.reload, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const about = nexus.value;
  return (
    <dl class="about">
      <dt>Health</dt>
      <dd>
        {health.error ? (
          <Mark tone="failed" word="it does not answer" />
        ) : health.value === undefined ? (
          "…"
        ) : health.value.ready ? (
          <Mark tone="online" word="ready: what is acknowledged is on disk" />
        ) : (
          <>
            <Mark tone="failed" word="not ready" /> {health.value.why}
          </>
        )}
      </dd>
      <dt>Nexus</dt>
      <dd>{about && <Id id={about.nexus_id} what="Nexus id" />}</dd>
      <dt>Version</dt>
      <dd class="mono">{about?.version}</dd>
      <dt>Protocol</dt>
      <dd class="mono">{about?.protocol}</dd>
      <dt>Address</dt>
      <dd class="mono">{window.location.origin}</dd>
      <dt>Licence</dt>
      <dd>Apache-2.0</dd>
    </dl>
  );
}

function Warnings() {
  const open = alerts.value.filter(({ kind, cleared_at }) => kind === "storage" && cleared_at === undefined);
  const plain =
    window.location.protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(window.location.host);
  return (
    <section aria-label="Warnings">
      <h2>Warnings</h2>
      {open.length === 0 && !plain && (
        <p>
          <Mark tone="online" word="Nothing is wrong that the broker sees by itself." />{" "}
          <span class="quiet">
            <code>nexus doctor</code> on its machine looks at file modes, room on the disk and the clock, too.
          </span>
        </p>
      )}
      <ul>
        {open.map(({ key, message, raised_at }) => (
          <li key={key}>
            <Mark tone="failed" word="storage" /> {message} <Time at={raised_at} />
          </li>
        ))}
        {plain && (
          <li>
            <Mark tone="deaf" word="not encrypted" /> This page came over plain http from another machine:
            whoever is between can read it. Start the broker with TLS.
          </li>
        )}
      </ul>
    </section>
  );
}

type Progress =
  | { at: "idle" }
  | { at: "working"; since: number }
  | { at: "done"; made: BackupMade }
  | { at: "failed"; error: Error };

/** A backup goes on while other pages are looked at. */
const backup = signal<Progress>({ at: "idle" });

async function makeBackup(name: string, withKeys: boolean): Promise<void> {
  backup.value = { at: "working", since: Date.now() };
  try {
    const made = await rest<BackupMade>("POST", "backup", {
      ...(name === "" ? {} : { name }),
      with_keys: withKeys,
    });
    backup.value = { at: "done", made };
  } catch (error) {
    backup.value = { at: "failed", error: asError(error) };
  }
}

function Backup() {
  const [name, setName] = useState("");
  const [withKeys, setWithKeys] = useState(false);
  const state = backup.value;
  const working = state.at === "working";
  return (
    <form class="settings-form" onSubmit={(event) => event.preventDefault()}>
      <p class="quiet">
        One consistent file of everything, in the broker’s own folder for backups, while it goes on working.
        Copy it to another machine.
      </p>
      <Field
        label="Name of the file"
        mono
        value={name}
        onInput={setName}
        placeholder="of the time"
        hint="A file that is there is not overwritten."
      />
      <Check
        label="With the private keys"
        hint="Whoever has the file can then speak for this Nexus and open its credentials. Keep it like a key."
        checked={withKeys}
        onChange={setWithKeys}
      />
      <div class="backup-progress">
        <Button
          type="submit"
          kind="primary"
          busy={working}
          onClick={() => void makeBackup(name.trim(), withKeys)}
        >
          Back up now
        </Button>
        {state.at === "working" && <Working since={state.since} />}
      </div>
      <div role="status">{state.at === "done" && <Made made={state.made} />}</div>
      {state.at === "failed" && (
        <Fault what="No backup was made" error={state.error} safe="What there was before is still there." />
      )}
    </form>
  );
}

function Working({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <progress aria-label="The backup is being made" />
      <span class="quiet">{duration((now - since) / 1_000)}</span>
    </>
  );
}

function Made({ made }: { made: BackupMade }) {
  return (
    <dl class="about">
      <dt>
        <Mark tone="online" word="Made" />
      </dt>
      <dd>
        <Time at={made.made_at} />, {bytes(made.bytes)}
      </dd>
      <dt>File</dt>
      <dd class="mono">{made.path}</dd>
      <dt>Head of the log</dt>
      <dd>
        <Id id={made.head} what="head of the log" />
      </dd>
    </dl>
  );
}
