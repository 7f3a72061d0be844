/** Why it is that Hand, where the broker chose. */
import type { Candidate } from "../../wire/frames";

export function Why({ why }: { why: readonly Candidate[] }) {
  const chosen = why.find((candidate) => candidate.lost === undefined);
  const others = why.filter((candidate) => candidate.lost !== undefined);
  return (
    <section class="part">
      <h3>Why this Hand</h3>
      <ul class="why">
        {chosen && (
          <li>
            <span class="mono">{chosen.hand}</span> <Score of={chosen} /> was chosen
          </li>
        )}
        {others.map((candidate) => (
          <li key={candidate.hand} class="quiet">
            <span class="mono">{candidate.hand}</span> <Score of={candidate} /> {candidate.because}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Score({ of }: { of: Candidate }) {
  return of.score === undefined ? null : <span class="number">{of.score}</span>;
}
