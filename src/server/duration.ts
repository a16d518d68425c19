const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** How a duration is written, for messages. */
export const DURATION_FORMAT = 'a whole number and a unit, such as 90s, 15m, 24h or 7d';

/** Milliseconds of a text such as `90s`, `15m`, `24h` or `7d`; undefined for anything else, and for no time at all. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  return unitMs === undefined ? undefined : Number(match?.[1]) * unitMs;
};
