/** Secrets for services outside, which the broker keeps sealed and never shows again. */
import { useState } from "preact/hooks";
import { rest } from "../../link/rest";
import { useLoad, useLog, useSoon } from "../../link/use";
import { mayAdmin } from "../../state/session";
import { Button } from "../../ui/button";
import { Empty, Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Menu } from "../../ui/menu";
import { type Column, Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { toast } from "../../ui/toast";
import type { CredentialInfo, CredentialList, CredentialMode } from "../../wire/http";
import { AddCredential, AllowCredential, RotateCredential } from "./credential";
import { OnlyAdmins } from "./only";
import { TypedConfirm } from "../../ui/typed";

const MODES: Record<CredentialMode, string> = {
  proxy: "the broker calls",
  fetch: "may be fetched",
  both: "both",
};

type Doing = { what: "add" } | { what: "allow" | "rotate" | "remove"; info: CredentialInfo };

export function Credentials() {
  const list = useLoad(() => rest<CredentialList>("GET", "credentials"), []);
  const [doing, setDoing] = useState<Doing>();
  const again = useSoon(list.reload);
  useLog(({ body }) => {
    if (body.type === "other" && /^credential\.(added|changed|removed|rotated)$/.test(body.kind)) again();
  });
  const columns: Column<CredentialInfo>[] = [
    { head: "Name", cell: ({ name }) => <strong>{name}</strong> },
    { head: "For", cell: ({ kind }) => kind },
    { head: "Use", cell: ({ mode }) => MODES[mode] },
    {
      head: "Where",
      cell: ({ base_url, header }) => (
        <span class="mono">
          {base_url ?? "–"} <span class="quiet">{header}</span>
        </span>
      ),
    },
    {
      head: "Who may",
      cell: ({ allowed_aspects }) =>
        allowed_aspects.length === 0 ? <span class="quiet">nobody</span> : allowed_aspects.join(", "),
    },
    { head: "Secret of", cell: ({ rotated_at }) => <Time at={rotated_at} /> },
  ];
  if (mayAdmin.value) {
    columns.push({
      head: "What can be done",
      bare: true,
      class: "cell-menu",
      cell: (info) => (
        <Menu
          label={`What can be done with ${info.name}`}
          items={[
            { label: "Who may use it…", act: () => setDoing({ what: "allow", info }) },
            { label: "New secret…", act: () => setDoing({ what: "rotate", info }) },
            { label: "Remove…", act: () => setDoing({ what: "remove", info }), danger: true },
          ]}
        >
          <span aria-hidden="true">⋯</span>
        </Menu>
      ),
    });
  }
  const rows = list.value?.credentials;
  return (
    <section class="settings" aria-label="Credentials">
      <p class="quiet">
        The broker makes calls to services outside with these and hands the secret to nobody, unless its use
        says that it may be fetched. Each use is in the audit log.
      </p>
      <OnlyAdmins what="which there are, without their secrets" />
      {mayAdmin.value && (
        <div>
          <Button kind="primary" onClick={() => setDoing({ what: "add" })}>
            Keep a secret
          </Button>
        </div>
      )}
      {list.loading && <Loading what="credentials" />}
      {list.error && !rows && (
        <Fault what="The credentials could not be read" error={list.error} retry={list.reload} />
      )}
      {rows?.length === 0 && (
        <Empty title="No secret is kept.">
          {mayAdmin.value
            ? "Keep the key of a model’s provider here, and agents need none of their own."
            : "An admin keeps secrets."}
        </Empty>
      )}
      {rows !== undefined && rows.length > 0 && (
        <Table label="Credentials" columns={columns} rows={rows} id={({ name }) => name} />
      )}
      <Open
        doing={doing}
        names={rows?.map(({ name }) => name) ?? []}
        onClose={() => setDoing(undefined)}
        onDone={list.reload}
      />
    </section>
  );
}

interface OpenProps {
  doing: Doing | undefined;
  names: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

function Open({ doing, names, onClose, onDone }: OpenProps) {
  if (doing === undefined) return null;
  switch (doing.what) {
    case "add":
      return <AddCredential names={names} onClose={onClose} onDone={onDone} />;
    case "allow":
      return <AllowCredential info={doing.info} onClose={onClose} onDone={onDone} />;
    case "rotate":
      return <RotateCredential name={doing.info.name} onClose={onClose} onDone={onDone} />;
    case "remove":
      return (
        <TypedConfirm
          title={`Remove ${doing.info.name}?`}
          name={doing.info.name}
          action="Remove"
          onClose={onClose}
          onConfirm={async () => {
            await rest("DELETE", `credentials/${doing.info.name}`);
            toast(`${doing.info.name} is forgotten`);
            onDone();
          }}
        >
          <p>
            The broker forgets the secret, and calls with it fail from now on. At the service itself it stays
            good until you revoke it there.
          </p>
        </TypedConfirm>
      );
  }
}
