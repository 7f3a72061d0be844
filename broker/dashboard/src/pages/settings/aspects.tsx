/** Aspects and their keys: let in, rotate, hold, pause, release, revoke. */
import { useState } from "preact/hooks";
import { link } from "../../link/link";
import { rest } from "../../link/rest";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAdmin } from "../../state/session";
import { readTeam, team, teamKnown } from "../../state/team";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { AspectMark } from "../../ui/mark";
import { Menu } from "../../ui/menu";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { AspectInfo } from "../../wire/frames";
import type { AspectKey } from "../../wire/http";
import { AddAspect, RotateKey } from "./aspect-key";
import { OnlyAdmins } from "./only";
import { Restrain } from "./restrain";
import { TypedConfirm } from "../../ui/typed";

type Doing =
  | { what: "add" }
  | { what: "rotate" | "held" | "paused" | "revoke"; aspect: AspectInfo; key: AspectKey | undefined };

/** Of each aspect; one that was revoked meanwhile is left out. */
async function readKeys(names: readonly string[]): Promise<ReadonlyMap<string, AspectKey>> {
  const keys = await Promise.allSettled(names.map((name) => rest<AspectKey>("GET", `aspects/${name}/key`)));
  return new Map(
    keys.flatMap((it): [string, AspectKey][] =>
      it.status === "fulfilled" ? [[it.value.name, it.value]] : [],
    ),
  );
}

export function Aspects() {
  const names = team.value.map(({ name }) => name);
  const keys = useLoad(() => readKeys(names), [names]);
  const [doing, setDoing] = useState<Doing>();
  const again = useSoon(keys.reload);
  useLog(({ body }) => {
    if (body.type === "other" && body.kind.startsWith("aspect.")) again();
  });
  const keyOf = (name: string) => keys.value?.get(name);
  const done = () => {
    readTeam().catch(() => undefined);
    keys.reload();
  };
  const release = async ({ name }: AspectInfo) => {
    await link.ask("aspect.release", { name });
    toast(`${name} is released`);
  };
  const actions = (aspect: AspectInfo) => {
    const open = (what: "rotate" | "held" | "paused" | "revoke") => () =>
      setDoing({ what, aspect, key: keyOf(aspect.name) });
    const free = aspect.restraint === undefined;
    return (
      <Menu
        label={`What can be done with ${aspect.name}`}
        items={[
          { label: "Rotate the key…", act: open("rotate") },
          ...(free
            ? [
                { label: "Pause…", act: open("paused") },
                { label: "Hold…", act: open("held") },
              ]
            : [
                {
                  label: "Release",
                  act: () => void release(aspect).catch((error: unknown) => toast(String(error), "failed")),
                },
              ]),
          { label: "Revoke…", act: open("revoke"), danger: true },
        ]}
      >
        <span aria-hidden="true">⋯</span>
      </Menu>
    );
  };
  const columns = columnsOf(keyOf);
  if (mayAdmin.value)
    columns.push({ head: "What can be done", bare: true, cell: actions, class: "cell-menu" });
  return (
    <section class="settings" aria-label="Aspects and keys">
      <p class="quiet">
        An aspect holds an Ed25519 key in its home and proves by it who it is; the broker knows the public
        half.
      </p>
      <OnlyAdmins what="aspects and their keys" />
      {mayAdmin.value && (
        <div>
          <Button kind="primary" onClick={() => setDoing({ what: "add" })}>
            Let an aspect in
          </Button>
        </div>
      )}
      {keys.error && <Fault what="The keys could not be read" error={keys.error} retry={keys.reload} />}
      {!teamKnown.value && <Loading what="aspects" />}
      {teamKnown.value && team.value.length === 0 && (
        <Empty title="No aspect is let in yet.">
          {mayAdmin.value
            ? "Let one in: its key is made here, in your browser, and you put the file into its home."
            : "An admin lets aspects in."}
        </Empty>
      )}
      {team.value.length > 0 && (
        <Table label="Aspects" columns={columns} rows={team.value} id={({ name }) => name} />
      )}
      <Open doing={doing} onClose={() => setDoing(undefined)} onDone={done} />
    </section>
  );
}

function columnsOf(keyOf: (name: string) => AspectKey | undefined): Column<AspectInfo>[] {
  return [
    { head: "Name", cell: ({ name }) => <strong>{name}</strong> },
    { head: "Role", cell: ({ role }) => (role === "frame" ? "lead" : "worker") },
    { head: "State", cell: ({ state }) => <AspectMark state={state} /> },
    {
      head: "Kept from work",
      cell: ({ restraint }) =>
        restraint === undefined ? (
          <span class="quiet">no</span>
        ) : (
          <span title={`by ${restraint.by}`}>
            {restraint.kind}: {restraint.reason} <Time at={restraint.at} />
          </span>
        ),
    },
    { head: "Key", number: true, cell: ({ name }) => `#${keyOf(name)?.key_generation ?? "…"}` },
    {
      head: "Old key",
      cell: ({ name }) => {
        const until = keyOf(name)?.previous_until;
        return until === undefined ? (
          <span class="quiet">–</span>
        ) : (
          <>
            good until <Time at={until} />
          </>
        );
      },
    },
    {
      head: "Shares knowledge",
      cell: ({ name }) => (keyOf(name)?.share_knowledge === true ? "yes" : <span class="quiet">no</span>),
    },
  ];
}

interface OpenProps {
  doing: Doing | undefined;
  onClose: () => void;
  onDone: () => void;
}

function Open({ doing, onClose, onDone }: OpenProps) {
  if (doing === undefined) return null;
  if (doing.what === "add") return <AddAspect onClose={onClose} onDone={onDone} />;
  const { aspect } = doing;
  switch (doing.what) {
    case "rotate":
      return <RotateKey name={aspect.name} onClose={onClose} onDone={onDone} />;
    case "held":
    case "paused":
      return <Restrain name={aspect.name} kind={doing.what} onClose={onClose} />;
    case "revoke":
      return (
        <TypedConfirm
          title={`Revoke ${aspect.name}?`}
          name={aspect.name}
          action="Revoke"
          onClose={onClose}
          onConfirm={async () => {
            await rest("DELETE", `aspects/${aspect.name}`);
            toast(`${aspect.name} is shut out`);
            onDone();
          }}
        >
          <p>
            Its links close at once and its key opens none any more. What it is at work on fails, and what it
            asked people is withdrawn. What it wrote stays. To let it in again it needs a new key.
          </p>
        </TypedConfirm>
      );
  }
}
