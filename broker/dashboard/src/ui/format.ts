/** Times, sizes, money and counts as people read them. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `12 s`, `3 min`, `2 h`, `5 d`: one unit, rounded down. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h`;
  return `${Math.floor(whole / DAY)} d`;
}

/** `now`, `3 min ago`, `in 2 h`; the date once that says more. */
export function relative(at: number, now: number): string {
  const seconds = (now - at) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  if (Math.abs(seconds) >= 7 * DAY) return date(at);
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

const two = (value: number) => String(value).padStart(2, "0");

export function date(at: number): string {
  const it = new Date(at);
  return `${it.getFullYear()}-${two(it.getMonth() + 1)}-${two(it.getDate())}`;
}

export function clock(at: number): string {
  const it = new Date(at);
  return `${two(it.getHours())}:${two(it.getMinutes())}`;
}

/** To the second, in the reader's own zone. */
export function exact(at: number): string {
  return `${date(at)} ${clock(at)}:${two(new Date(at).getSeconds())}`;
}

export function count(value: number): string {
  return value.toLocaleString("en-US").replaceAll(",", "\u202f");
}

/** `812`, `4.2 k`, `1.3 M`. */
export function brief(value: number): string {
  if (value < 1_000) return String(value);
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)} k`;
  return `${(value / 1_000_000).toFixed(value < 10_000_000 ? 1 : 0)} M`;
}

/** Millionths of a US dollar. Small sums keep the digits that say something. */
export function money(microusd: number): string {
  const usd = microusd / 1_000_000;
  if (microusd === 0) return "$0";
  if (usd < 0.01) return `$${usd.toFixed(4)}`;
  return `$${usd.toFixed(2)}`;
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(1)} KiB`;
  return `${(value / 1024 / 1024).toFixed(1)} MiB`;
}

/** The end of an id tells it apart: its beginning is its time, which neighbours share. */
export function shortId(id: string): string {
  return id.length > 12 ? id.slice(-8) : id;
}

/** What people write with commas between. */
export function words(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}
