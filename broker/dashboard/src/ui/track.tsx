/** Where something stands in time, drawn; the words beside it have to say it, too. */
import { clock, date, exact } from "./format";
import "./track.css";

/** Of what took no time at all something is seen, too. */
const WIDE_MIN = 1.5;

interface TrackProps {
  from: number;
  until: number;
  /** Each from when to when. */
  bars: readonly { begin: number; end: number; tone: string }[];
}

export function Track({ from, until, bars }: TrackProps) {
  return (
    <svg class="track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track-whole" x="0" y="3.5" width="100" height="1" />
      {bars.map(({ begin, end, tone }, place) => {
        const { at, wide } = along(from, until, begin, end);
        const width = Math.max(wide, WIDE_MIN);
        return (
          <rect
            key={place}
            class={`track-bar tone-${tone}`}
            x={Math.min(at, 100 - width)}
            y="0"
            width={width}
            height="8"
          />
        );
      })}
    </svg>
  );
}

/** What a stretch of time is of another one, in percent. */
export function along(from: number, until: number, begin: number, end: number): { at: number; wide: number } {
  const whole = Math.max(1, until - from);
  const place = (at: number) => (Math.min(Math.max(at, from), until) - from) / whole;
  const at = place(begin) * 100;
  return { at, wide: place(Math.max(begin, end)) * 100 - at };
}

/** The first and the last moment of the tracks above it. */
export function TrackEnds({ from, until }: { from: number; until: number }) {
  const text = (at: number) => {
    if (date(from) !== date(until)) return `${date(at)} ${clock(at)}`;
    return clock(from) === clock(until) ? exact(at).slice(-8) : clock(at);
  };
  return (
    <p class="track-ends quiet small" aria-hidden="true">
      <span>{text(from)}</span>
      <span>{text(until)}</span>
    </p>
  );
}
