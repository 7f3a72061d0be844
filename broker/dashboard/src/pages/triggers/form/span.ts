/** Lengths of time as people write them, and as `nexctl` takes them: `90s`, `10m`, `24h`, `1h 30m`. */

const UNITS: readonly [string, number][] = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];

/** Throws, with the name of the field, for what is none. */
export function seconds(text: string, field: string): number {
  const written = text.trim();
  if (/^\d+$/.test(written))
    throw new Error(
      `${field}: "${written}" has no unit; write ${written}s, ${written}m, ${written}h or ${written}d`,
    );
  if (!/^(\d+\s*[smhd]\s*)+$/.test(written))
    throw new Error(`${field}: "${written}" is no length of time; write 90s, 10m or 24h`);
  let sum = 0;
  for (const [, number, unit] of written.matchAll(/(\d+)\s*([smhd])/g)) {
    sum += Number(number) * (UNITS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  if (sum === 0) throw new Error(`${field}: "${written}" is no time at all`);
  return sum;
}

/** In the largest unit of which it is a whole number. */
export function span(seconds: number): string {
  const [name, size] = UNITS.find(([, size]) => seconds % size === 0) ?? ["s", 1];
  return `${seconds / size}${name}`;
}
