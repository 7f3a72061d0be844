/** The part of the form that says who is set to work, with what. */
import { asError } from "../../../link/use";
import type { Act, AskAspect, Budget, DispatchHand, StartFlow } from "../../../wire/frames";
import { NOTHING_WANTED, type WantedForm, wantedFormOf, wantedOf } from "../../work/wanted";
import { seconds, span } from "./span";

export interface DoForm extends WantedForm {
  /** `kept`: of a kind that this form does not know; it stays as it is. */
  does: "ask" | "dispatch" | "flow" | "kept";
  aspect: string;
  text: string;
  /** Whether a dispatch names a Hand, or what is needed. */
  whom: "hand" | "need";
  hand: string;
  flow: string;
  input: string;
  deadline: string;
  tokens: string;
  dollars: string;
}

export const NO_WORK: DoForm = {
  ...NOTHING_WANTED,
  does: "ask",
  aspect: "",
  text: "",
  whom: "hand",
  hand: "",
  flow: "",
  input: "{}",
  deadline: "",
  tokens: "",
  dollars: "",
};

export function doFormOf(act: Act, budget: Budget | undefined): Partial<DoForm> {
  const spent = {
    tokens: budget?.tokens === undefined ? "" : String(budget.tokens),
    dollars: budget?.cost_microusd === undefined ? "" : String(budget.cost_microusd / 1e6),
  };
  if ("ask" in act) return { does: "ask", aspect: act.ask.aspect, text: act.ask.text };
  if ("dispatch" in act) {
    const { hand = "", capability, input = null, deadline_s } = act.dispatch;
    const deadline = deadline_s === undefined ? "" : span(deadline_s);
    const to =
      capability === undefined
        ? { whom: "hand" as const, hand }
        : { whom: "need" as const, ...wantedFormOf(capability) };
    return { ...spent, ...to, does: "dispatch", input: JSON.stringify(input, null, 2), deadline };
  }
  if ("flow" in act) return { does: "flow", flow: act.flow.id, input: inputText(act.flow.input) };
  return { does: "kept" };
}

/** A flow needs no input. */
function inputText(input: unknown): string {
  return input === undefined || input === null ? "" : JSON.stringify(input, null, 2);
}

/** What a definition says of each kind: one of them. */
interface Was {
  ask?: AskAspect;
  dispatch?: DispatchHand;
  flow?: StartFlow;
}

/** What the form makes of what there was. */
export function actOf(form: DoForm, base: Act | undefined): Act {
  const was: Was = base ?? {};
  switch (form.does) {
    case "ask":
      return { ask: { ...was.ask, aspect: form.aspect, text: form.text } };
    case "dispatch": {
      const dispatch: DispatchHand = {
        ...was.dispatch,
        input: json(form.input),
      };
      if (form.whom === "hand") {
        dispatch.hand = form.hand;
        delete dispatch.capability;
      } else {
        delete dispatch.hand;
        dispatch.capability = { ...was.dispatch?.capability, ...wantedOf(form) };
      }
      if (form.deadline.trim() === "") delete dispatch.deadline_s;
      else dispatch.deadline_s = seconds(form.deadline, "It may take");
      return { dispatch };
    }
    case "flow": {
      const flow: StartFlow = { ...was.flow, id: form.flow };
      if (form.input.trim() === "") delete flow.input;
      else flow.input = json(form.input) as Record<string, unknown>;
      return { flow };
    }
    case "kept":
      if (base === undefined) throw new Error("Say what it does");
      return base;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`Input: this is no JSON: ${asError(error).message}`, { cause: error });
  }
}

export function doMissing({ does, aspect, text, whom, hand, needs, flow }: DoForm): string | undefined {
  if (does === "ask" && (aspect === "" || text.trim() === "")) return "Say whom, and what";
  if (does === "dispatch" && whom === "hand" && hand === "") return "Choose a Hand";
  if (does === "dispatch" && whom === "need" && needs.trim() === "") return "Say what is needed";
  if (does === "flow" && flow === "") return "Choose a flow";
  return undefined;
}
