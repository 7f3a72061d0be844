/** For whom work is: the Hands there are, or what whoever does it has to be able to do. */
import { team } from "../../state/team";
import { Field } from "../../ui/field";
import { words } from "../../ui/format";
import type { AspectInfo, HandSpec, Wanted } from "../../wire/frames";

export interface Offer {
  name: string;
  spec: HandSpec;
  offline: boolean;
}

export function offers(aspects: readonly AspectInfo[]): Offer[] {
  return aspects.flatMap((aspect) => {
    const offline = aspect.state === "offline";
    const all = aspect.hands.map((spec) => ({ name: `${aspect.name}/${spec.name}`, spec, offline }));
    if (aspect.hands.some((spec) => spec.name === "self")) return all;
    const spec: HandSpec = {
      name: "self",
      description: "the aspect itself, without any memory of a conversation",
    };
    return [...all, { name: `${aspect.name}/self`, spec, offline }];
  });
}

/** Lists with commas. */
export interface WantedForm {
  needs: string;
  likes: string;
  prefer: string;
  avoid: string;
}

export const NOTHING_WANTED: WantedForm = { needs: "", likes: "", prefer: "", avoid: "" };

export function wantedFormOf({ needs = [], likes = [], prefer = [], avoid = [] }: Wanted): WantedForm {
  const text = (names: readonly string[]) => names.join(", ");
  return { needs: text(needs), likes: text(likes), prefer: text(prefer), avoid: text(avoid) };
}

/** Throws where nothing is needed. */
export function wantedOf(form: WantedForm): Wanted {
  const needs = words(form.needs);
  if (needs.length === 0) throw new Error("name at least one capability that is needed");
  return { needs, likes: words(form.likes), prefer: words(form.prefer), avoid: words(form.avoid) };
}

export function Needs({ form, set }: { form: WantedForm; set: (more: Partial<WantedForm>) => void }) {
  const known = [
    ...new Set(
      team.value.flatMap((it) => [
        ...it.capabilities,
        ...it.hands.flatMap((hand) => hand.capabilities ?? []),
      ]),
    ),
  ];
  return (
    <div class="fields">
      <Field
        label="Needs (all of them)"
        value={form.needs}
        onInput={(needs) => set({ needs })}
        hint={known.length === 0 ? "No Hand has declared any." : `There is: ${known.sort().join(", ")}`}
      />
      <Field
        label="Likes"
        value={form.likes}
        onInput={(likes) => set({ likes })}
        hint="These count for it."
      />
      <Field
        label="Rather"
        value={form.prefer}
        onInput={(prefer) => set({ prefer })}
        hint="Aspects that come before others."
      />
      <Field
        label="Rather not"
        value={form.avoid}
        onInput={(avoid) => set({ avoid })}
        hint="Aspects taken only if there is nobody else."
      />
    </div>
  );
}
