/** Where a message is written: mentions are completed, files attached, and what was not sent is kept. */
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { link } from "../../link/link";
import { uuidv7 } from "../../link/ids";
import { asError } from "../../link/use";
import { mayAct } from "../../state/session";
import { team } from "../../state/team";
import { Button } from "../../ui/button";
import { bytes } from "../../ui/format";
import { Mark } from "../../ui/mark";
import type { Attachment, ChatSent, Message } from "../../wire/frames";
import { EMPTY, keepDraft, keptDraft, type Draft } from "./draft";
import { candidates, complete, openMention } from "./mentions";
import { upload } from "./upload";

interface Props {
  /** Absent: the message opens a thread. */
  thread?: string | undefined;
  replyTo?: Message | undefined;
  onReplyTo: (message: Message | undefined) => void;
  onSent: (sent: ChatSent) => void;
  /** Shown as on its way until it is in the log. */
  onSending?: (id: string, content: string) => void;
  onRefused?: (id: string) => void;
  /** It is a part of another page, and does not take the focus when it is shown. */
  calm?: boolean;
}

interface Uploading {
  name: string;
  part: number;
}

const ATTACHMENTS_MAX = 16;

export function Composer(props: Props) {
  const { thread, replyTo, onReplyTo, onSent, onSending, onRefused, calm = false } = props;
  const place = thread ?? "new";
  const [draft, setDraft] = useState<Draft>(() => keptDraft(place));
  const [caret, setCaret] = useState(0);
  const [picked, setPicked] = useState(0);
  const [closed, setClosed] = useState(false);
  const [uploads, setUploads] = useState<readonly Uploading[]>([]);
  const [error, setError] = useState<string>();
  const input = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const list = useId();
  const change = (next: Draft) => {
    keepDraft(place, next);
    setDraft(next);
  };
  useLayoutEffect(() => {
    setDraft(keptDraft(place));
    setError(undefined);
    if (!calm) input.current?.focus({ preventScroll: true });
  }, [place]);
  useLayoutEffect(() => {
    const area = input.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 240)}px`;
  }, [draft.text]);
  useLayoutEffect(() => {
    if (replyTo) input.current?.focus();
  }, [replyTo]);

  const open = closed ? undefined : openMention(draft.text, caret);
  const names = open ? candidates(["all", ...team.value.map((it) => it.name)], open.typed) : [];
  const at = Math.min(picked, names.length - 1);
  const pick = (name: string) => {
    if (!open) return;
    const next = complete(draft.text, caret, open, name);
    change({ ...draft, text: next.text });
    setCaret(next.caret);
    const area = input.current;
    if (!area) return;
    // At once, and not when it is drawn: what is typed next belongs behind the name.
    area.value = next.text;
    area.focus();
    area.setSelectionRange(next.caret, next.caret);
  };
  const attach = async (chosen: Iterable<File>) => {
    for (const file of [...chosen].slice(0, ATTACHMENTS_MAX)) {
      const of = (part: number) => (all: readonly Uploading[]) => [
        ...all.filter((it) => it.name !== file.name),
        { name: file.name, part },
      ];
      setUploads(of(0));
      try {
        const made = await upload(file, (part) => setUploads(of(part)));
        setDraft((old) => {
          const next = {
            ...old,
            attachments: [...old.attachments.filter((it) => it.blob !== made.blob), made],
          };
          keepDraft(place, next);
          return next;
        });
      } catch (error) {
        setError(`${file.name} was not attached: ${asError(error).message}`);
      } finally {
        setUploads((all) => all.filter((it) => it.name !== file.name));
      }
    }
  };
  const send = async () => {
    const content = draft.text.trim();
    if ((content === "" && draft.attachments.length === 0) || uploads.length > 0) return;
    const message = {
      content,
      ...(thread === undefined ? {} : { thread }),
      ...(replyTo === undefined ? {} : { reply_to: replyTo.id }),
      ...(draft.topic === "" || thread !== undefined ? {} : { topic: draft.topic }),
      ...(draft.attachments.length === 0 ? {} : { attachments: draft.attachments }),
    };
    const as = JSON.stringify(message);
    const id = draft.sent?.as === as ? draft.sent.id : uuidv7();
    const before: Draft = { ...draft, sent: { id, as } };
    keepDraft(place, before);
    setDraft(EMPTY);
    setError(undefined);
    onReplyTo(undefined);
    onSending?.(id, content);
    try {
      const sent = await link.ask("chat.send", message, id);
      // Something new may have been written while the link was down.
      if (keptDraft(place).sent?.id === id) keepDraft(place, EMPTY);
      if (sent.unknown.length > 0) setError(`Nobody is called ${sent.unknown.join(", ")}.`);
      onSent(sent);
    } catch (error) {
      setError(`Not sent: ${asError(error).message}. What you wrote is still here.`);
      setDraft((now) => (now.text === "" ? before : now));
    } finally {
      onRefused?.(id);
    }
  };
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const choosing = names.length > 0;
    if (choosing && event.key === "ArrowDown") setPicked((at + 1) % names.length);
    else if (choosing && event.key === "ArrowUp") setPicked((at - 1 + names.length) % names.length);
    else if (choosing && (event.key === "Enter" || event.key === "Tab")) pick(names[at] ?? "");
    else if (choosing && event.key === "Escape") setClosed(true);
    else if (event.key === "Escape" && replyTo) onReplyTo(undefined);
    else if (event.key === "Escape") input.current?.blur();
    else if (event.key === "Enter" && !event.shiftKey) void send();
    else return;
    event.preventDefault();
  };
  if (!mayAct.value) {
    return (
      <p class="composer-mute">You are a viewer: you may read. An admin can give you the role operator.</p>
    );
  }
  return (
    <div
      class="composer"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void attach(event.dataTransfer?.files ?? []);
      }}
    >
      {replyTo && (
        <p class="composer-reply">
          <span class="quiet">Answers</span> {replyTo.from}: {replyTo.content.slice(0, 80)}
          <Button kind="quiet" label="Do not answer this message" onClick={() => onReplyTo(undefined)}>
            ✕
          </Button>
        </p>
      )}
      {thread === undefined && (
        <input
          class="input composer-topic"
          aria-label="Title, if it should have one"
          placeholder="Title (the first line otherwise)"
          value={draft.topic}
          maxLength={200}
          onInput={(event) => change({ ...draft, topic: event.currentTarget.value })}
        />
      )}
      {error !== undefined && (
        <p class="field-error" role="alert">
          <Mark tone="failed" word="failed" bare /> {error}
        </p>
      )}
      {names.length > 0 && (
        <ul class="complete" role="listbox" id={list} aria-label="Whom to mention">
          {names.map((name, index) => (
            <li
              key={name}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === at}
              onPointerDown={(event) => {
                event.preventDefault();
                pick(name);
              }}
            >
              @{name}
              <span class="quiet small">
                {name === "all" ? "everybody" : team.value.find((it) => it.name === name)?.state}
              </span>
            </li>
          ))}
        </ul>
      )}
      <Files
        attachments={draft.attachments}
        uploads={uploads}
        onRemove={(blob) =>
          change({ ...draft, attachments: draft.attachments.filter((it) => it.blob !== blob) })
        }
      />
      <div class="composer-line">
        <textarea
          ref={input}
          class="input composer-text"
          rows={1}
          aria-label="Message"
          placeholder={
            thread === undefined ? "Message. @name says to whom; without, it goes to the lead" : "Message"
          }
          value={draft.text}
          aria-haspopup="listbox"
          aria-autocomplete="list"
          aria-controls={names.length > 0 ? list : undefined}
          aria-activedescendant={names.length > 0 ? `${list}-${at}` : undefined}
          onInput={(event) => {
            setCaret(event.currentTarget.selectionStart);
            setPicked(0);
            setClosed(false);
            change({ ...draft, text: event.currentTarget.value });
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onKeyDown={key}
          onPaste={(event) => void attach(event.clipboardData?.files ?? [])}
        />
        <input
          ref={files}
          type="file"
          multiple
          class="hidden"
          tabIndex={-1}
          aria-label="Files to attach"
          onChange={(event) => {
            void attach(event.currentTarget.files ?? []);
            event.currentTarget.value = "";
          }}
        />
        <Button kind="quiet" label="Attach files" title="Attach files" onClick={() => files.current?.click()}>
          <span aria-hidden="true">+</span>
        </Button>
        <Button kind="primary" onClick={() => void send()} title="Enter sends, Shift+Enter begins a new line">
          Send
        </Button>
      </div>
    </div>
  );
}

interface FilesProps {
  attachments: readonly Attachment[];
  uploads: readonly Uploading[];
  onRemove: (blob: string) => void;
}

function Files({ attachments, uploads, onRemove }: FilesProps) {
  if (attachments.length + uploads.length === 0) return null;
  return (
    <ul class="composer-files">
      {attachments.map(({ blob, name, bytes: size }) => (
        <li key={blob}>
          {name} <span class="quiet">{size === undefined ? "" : bytes(size)}</span>
          <Button kind="quiet" label={`Do not attach ${name}`} onClick={() => onRemove(blob)}>
            ✕
          </Button>
        </li>
      ))}
      {uploads.map(({ name, part }) => (
        <li key={name}>
          {name} <progress value={part} max={1} aria-label={`${name}, on its way`} />
        </li>
      ))}
    </ul>
  );
}
