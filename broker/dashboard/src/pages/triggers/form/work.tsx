/** Who is set to work, with what. */
import { team } from "../../../state/team";
import { Area, Segments, Select } from "../../../ui/choice";
import { Needs, offers } from "../../work/wanted";
import type { Form, Set } from "./form";
import { among } from "./when";

const DOES: readonly { value: Form["does"]; label: string }[] = [
  { value: "ask", label: "Ask an aspect" },
  { value: "dispatch", label: "Send work" },
  { value: "flow", label: "Run a flow" },
];

const WHOM: readonly { value: Form["whom"]; label: string }[] = [
  { value: "hand", label: "For a Hand" },
  { value: "need", label: "For whoever can" },
];

export function Work({ form, set, flows }: { form: Form; set: Set; flows: readonly string[] }) {
  const kept = form.does === "kept" ? [{ value: "kept" as const, label: "As it is" }] : [];
  return (
    <>
      <Segments
        label="What it does"
        value={form.does}
        options={[...kept, ...DOES]}
        onChange={(does) => set({ does })}
      />
      <Fields form={form} set={set} flows={flows} />
    </>
  );
}

function Fields({ form, set, flows }: { form: Form; set: Set; flows: readonly string[] }) {
  const input = <Area label="Input (JSON)" rows={4} value={form.input} onInput={(input) => set({ input })} />;
  switch (form.does) {
    case "ask":
      return (
        <>
          <Select
            label="Aspect"
            value={form.aspect}
            options={among(
              form.aspect,
              team.value.map(({ name }) => name),
            )}
            onChange={(aspect) => set({ aspect })}
          />
          <Area label="Text" rows={4} value={form.text} onInput={(text) => set({ text })} />
        </>
      );
    case "dispatch":
      return (
        <>
          <Segments label="For whom" value={form.whom} options={WHOM} onChange={(whom) => set({ whom })} />
          {form.whom === "hand" ? <Hand form={form} set={set} /> : <Needs form={form} set={set} />}
          {input}
        </>
      );
    case "flow":
      return (
        <>
          <Select
            label="Flow"
            value={form.flow}
            options={among(form.flow, flows)}
            onChange={(flow) => set({ flow })}
          />
          {input}
        </>
      );
    case "kept":
      return null;
  }
}

function Hand({ form, set }: { form: Form; set: Set }) {
  const all = offers(team.value);
  const about = all.find(({ name }) => name === form.hand)?.spec.description?.trim();
  return (
    <Select
      label="Hand"
      value={form.hand}
      options={among(
        form.hand,
        all.map(({ name }) => name),
      )}
      onChange={(hand) => set({ hand })}
      hint={about}
    />
  );
}
