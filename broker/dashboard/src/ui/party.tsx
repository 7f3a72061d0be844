/** Who: an aspect, a person or the broker itself. */

export function Party({ party }: { party: string }) {
  const person = party.startsWith("operator/") ? party.slice("operator/".length) : undefined;
  if (person === undefined) return <span class="party">{party}</span>;
  return (
    <span class="party" title={`${person}, a person`}>
      <span class="quiet">operator/</span>
      {person}
    </span>
  );
}
