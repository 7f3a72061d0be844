/** Cancelling and trying again, and what came of it. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Fault } from "../../ui/fault";
import { Field } from "../../ui/field";
import { shortId } from "../../ui/format";
import { toast } from "../../ui/toast";
import type { CancelReceipt, DispatchInfo } from "../../wire/frames";
import { dispatches } from "./store";

export interface Stopped {
  receipt: CancelReceipt;
}

interface Props<T> {
  info: DispatchInfo;
  onClose: () => void;
  onDone: (done: T) => void;
}

export function Cancel({ info, onClose, onDone }: Props<Stopped>) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<Error>();
  const [id] = useState(() => uuidv7());
  const below = [...dispatches.value.values()].filter(
    (it) => it.root === info.root && it.depth > info.depth,
  ).length;
  const go = async () => {
    const receipt = await link.ask(
      "dispatch.cancel",
      { dispatch: info.id, ...(reason === "" ? {} : { reason }) },
      id,
    );
    onDone({ receipt });
    onClose();
  };
  return (
    <Dialog
      title="Cancel this dispatch?"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Leave it</Button>
          <Button kind="danger" onClick={go} onError={setError}>
            Cancel it
          </Button>
        </>
      }
    >
      <p>
        <span class="mono">{info.hand}</span>
        {below > 0 ? " and everything below it" : ""} can deliver no result any more. Its worker is told to
        stop; what it has done already stays done.
      </p>
      <Field label="Why (its invoker is told)" value={reason} onInput={setReason} autofocus />
      {error && <Fault what="It was not cancelled" error={error} />}
    </Dialog>
  );
}

/** What the broker says became of each. */
export function Receipt({
  stopped: { receipt },
  onOpen,
}: {
  stopped: Stopped;
  onOpen: (id: string) => void;
}) {
  const told = (id: string) => dispatches.value.get(id)?.stop?.confirmed_at !== undefined;
  const lists: [string, readonly string[]][] = [
    ["stopped: nobody was at work on it", receipt.stopped ?? []],
    ["its worker has stopped", (receipt.unconfirmed ?? []).filter(told)],
    [
      "its worker is told to stop, and has not said yet that it did",
      (receipt.unconfirmed ?? []).filter((id) => !told(id)),
    ],
    ["its worker has no link, and is told once it is back", receipt.unreachable ?? []],
    ["had ended before", receipt.already_ended],
  ];
  return (
    <section class="part receipt" role="status" aria-label="What was cancelled">
      <h3>
        {receipt.cancelled.length === 0
          ? "Nothing was left to cancel"
          : `Cancelled ${receipt.cancelled.length}`}
      </h3>
      <ul>
        {lists.map(([words, ids]) =>
          ids.map((id) => (
            <li key={id}>
              <button type="button" class="link mono" onClick={() => onOpen(id)}>
                {dispatches.value.get(id)?.hand ?? shortId(id)}
              </button>{" "}
              {words}
            </li>
          )),
        )}
      </ul>
    </section>
  );
}

export function Retry({ info, onClose, onDone }: Props<string>) {
  const [minutes, setMinutes] = useState("");
  const [error, setError] = useState<Error>();
  const [id] = useState(() => uuidv7());
  const go = async () => {
    const wanted = Number(minutes);
    const deadline = minutes.trim() === "" ? {} : { deadline_s: Math.round(wanted * 60) };
    if (minutes.trim() !== "" && !(wanted > 0)) throw new Error(`"${minutes}" is no number of minutes`);
    const { dispatch, chosen } = await link.ask("dispatch.retry", { dispatch: info.id, ...deadline }, id);
    toast(`Sent to ${chosen} again`);
    onClose();
    onDone(dispatch);
  };
  return (
    <Dialog
      title="Try this again?"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button kind="primary" onClick={() => go().catch((error: unknown) => setError(asError(error)))}>
            Try again
          </Button>
        </>
      }
    >
      <p>
        A new dispatch takes the same input to <span class="mono">{info.hand}</span>, and you are its invoker.
        What failed stays on record, linked to it.
      </p>
      <Field
        label="Minutes it may take"
        value={minutes}
        onInput={setMinutes}
        inputMode="decimal"
        placeholder="as long as the first had"
        autofocus
      />
      {error && <Fault what="It was not sent" error={error} />}
    </Dialog>
  );
}
