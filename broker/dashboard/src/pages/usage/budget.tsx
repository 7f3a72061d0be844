/** Setting a budget: for whom, each day or month, how much, and what is set aside for a dispatch that names none. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { myParty } from "../../state/session";
import { team } from "../../state/team";
import { Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { toast } from "../../ui/toast";
import type { Budget, BudgetInfo, BudgetPer } from "../../wire/frames";
import { microusd, tokens } from "./series";

interface Props {
  /** The one that is changed. */
  budget: BudgetInfo | undefined;
  onClose: () => void;
  onDone: () => void;
}

const usd = (value: number | undefined) => (value === undefined ? "" : String(value / 1_000_000));
const plain = (value: number | undefined) => (value === undefined ? "" : String(value));

const NOT_TOKENS = "A whole number, such as 200000, 200 k or 1.5 M.";
const NOT_MONEY = "A sum in US dollars, such as 5 or 0.25.";

const fault = (text: string, read: (text: string) => number | undefined, words: string) =>
  text.trim() !== "" && read(text) === undefined ? words : undefined;

const beyond = (each: number | undefined, limit: number | undefined) =>
  each !== undefined && (limit === undefined || each > limit) ? "It is more than the limit." : undefined;

/** What one dispatch gets, if somebody said so: a tenth is what it gets otherwise. */
function chosen(budget: BudgetInfo | undefined, what: keyof Budget): number | undefined {
  const [each, limit] = [budget?.each[what], budget?.limit[what]];
  if (each === undefined || limit === undefined) return each;
  return Math.abs(each * 10 - limit) < 10 ? undefined : each;
}

function amount(tokenText: string, usdText: string): Budget {
  const [some, money] = [tokens(tokenText), microusd(usdText)];
  return {
    ...(some === undefined ? {} : { tokens: some }),
    ...(money === undefined ? {} : { cost_microusd: money }),
  };
}

export function BudgetDialog({ budget, onClose, onDone }: Props) {
  const [of, setOf] = useState(budget?.of ?? "");
  const [per, setPer] = useState<BudgetPer>(budget?.per ?? "day");
  const [limitTokens, setLimitTokens] = useState(plain(budget?.limit.tokens));
  const [limitUsd, setLimitUsd] = useState(usd(budget?.limit.cost_microusd));
  const [eachTokens, setEachTokens] = useState(plain(chosen(budget, "tokens")));
  const [eachUsd, setEachUsd] = useState(usd(chosen(budget, "cost_microusd")));
  const [id] = useState(() => uuidv7());
  const faults = {
    limitTokens: fault(limitTokens, tokens, NOT_TOKENS),
    limitUsd: fault(limitUsd, microusd, NOT_MONEY),
    eachTokens: fault(eachTokens, tokens, NOT_TOKENS) ?? beyond(tokens(eachTokens), tokens(limitTokens)),
    eachUsd: fault(eachUsd, microusd, NOT_MONEY) ?? beyond(microusd(eachUsd), microusd(limitUsd)),
  };
  const limit = amount(limitTokens, limitUsd);
  const ready = Object.keys(limit).length > 0 && Object.values(faults).every((it) => it === undefined);
  const whose = [
    { value: "", label: "Everybody together" },
    ...team.value.map(({ name }) => ({ value: name, label: name })),
    { value: myParty.value, label: `${myParty.value} (you)` },
  ];
  if (of !== "" && !whose.some((it) => it.value === of)) whose.push({ value: of, label: of });
  const set = async () => {
    const each = amount(eachTokens, eachUsd);
    await link.ask("budget.set", { per, limit, each, ...(of === "" ? {} : { of }) }, id);
    toast(`${of === "" ? "Everybody together" : of} may spend that in each ${per}`);
    onDone();
    onClose();
  };
  return (
    <FormDialog
      title={budget ? "Change the budget" : "Set a budget"}
      action="Set"
      missing={ready ? undefined : "Say how many tokens or how much money may be spent"}
      failed="The budget was not set"
      onSubmit={set}
      onClose={onClose}
    >
      <p class="quiet">
        Whoever asks pays: all of a tree of dispatches counts for who asked for its root. It takes the place
        of the budget before, and what is spent already stays spent.
      </p>
      <div class="budget-fields">
        <Select label="Whose" value={of} options={whose} disabled={budget !== undefined} onChange={setOf} />
        <Select
          label="Each"
          value={per}
          disabled={budget !== undefined}
          options={[
            { value: "day", label: "day (UTC)" },
            { value: "month", label: "month (UTC)" },
          ]}
          onChange={(per) => setPer(per === "month" ? "month" : "day")}
        />
        <Field
          label="Tokens"
          mono
          value={limitTokens}
          onInput={setLimitTokens}
          error={faults.limitTokens}
          hint="Empty: not limited"
        />
        <Field
          label="US dollars"
          mono
          value={limitUsd}
          onInput={setLimitUsd}
          error={faults.limitUsd}
          hint="Empty: not limited"
        />
        <Field
          label="Tokens for one dispatch"
          mono
          value={eachTokens}
          onInput={setEachTokens}
          error={faults.eachTokens}
          hint="Set aside when it names no budget; empty: a tenth"
        />
        <Field
          label="US dollars for one dispatch"
          mono
          value={eachUsd}
          onInput={setEachUsd}
          error={faults.eachUsd}
          hint="Set aside when it names no budget; empty: a tenth"
        />
      </div>
    </FormDialog>
  );
}
