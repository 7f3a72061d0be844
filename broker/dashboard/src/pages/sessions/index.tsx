/** Sessions: what an aspect said, heard and did, as the tree it is. */
import { useEffect } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { aspectOf, team, teamKnown } from "../../state/team";
import { Empty, Loading } from "../../ui/empty";
import { Page } from "../../ui/page";
import { shortId } from "../../ui/format";
import { Aspects, Offline, Sessions } from "./list";
import { View } from "./view";
import "./sessions.css";

export default function SessionsPage() {
  const [path, go] = useLocation();
  const [name, session, entry] = path
    .split("/")
    .slice(2)
    .map((part) => part || undefined);
  const lead = team.value.find((it) => it.role === "frame") ?? team.value[0];
  useEffect(() => {
    if (name === undefined && lead) go(`/sessions/${lead.name}`, { replace: true });
  }, [name, lead?.name]);
  const of = name === undefined ? undefined : aspectOf(name);
  const depth = session === undefined ? "sessions-choose" : "sessions-one";
  return (
    <Page title="Sessions" fills>
      <div class={`sessions ${depth}`}>
        <nav class="sessions-side" aria-label="Whose sessions">
          <Aspects chosen={name} />
          {of && <Sessions key={of.name} of={of} chosen={session} />}
        </nav>
        <div class="sessions-main">
          {session !== undefined && (
            <p class="sessions-back">
              <Link href={`/sessions/${name ?? ""}`}>← {name}</Link> <code>{shortId(session)}</code>
            </p>
          )}
          <Main name={name} session={session} entry={entry} />
        </div>
      </div>
    </Page>
  );
}

interface MainProps {
  name: string | undefined;
  session: string | undefined;
  entry: string | undefined;
}

function Main({ name, session, entry }: MainProps) {
  if (!teamKnown.value) return <Loading what="the team" />;
  if (name === undefined) return null;
  const of = aspectOf(name);
  if (!of) return <Empty title={`There is no aspect ${name}.`}>Choose one of those that are there.</Empty>;
  if (session === undefined) {
    return of.state === "offline" ? null : (
      <Empty title="Choose a session.">
        Its tree is drawn here: each entry can be read, and branches can be compared.
      </Empty>
    );
  }
  if (of.state === "offline") return <Offline of={of} />;
  return <View key={`${name} ${session}`} of={name} session={session} chosen={entry} />;
}
