import { IANAZone } from 'luxon';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Minutes of the local day by its wall clock, 0 to 1440: from `fromMinute`, up to and without `toMinute`, which is later. */
export interface Shift {
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface BusinessHours {
  /** Name in the IANA time zone database. */
  readonly timeZone: string;
  readonly week: Readonly<Record<Weekday, readonly Shift[]>>;
  /** Whole days without opening: ISO dates (`2026-12-25`) of the zone. */
  readonly closedOn: readonly string[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LEAP_YEAR_MS = 366 * DAY_MS;
/** 1970-01-01, day 0, was a Thursday. */
const WEEKDAY_OF_DAY_0 = 3;

const zoneOf = (hours: BusinessHours): IANAZone => {
  const zone = IANAZone.create(hours.timeZone);
  if (zone.isValid) return zone;
  throw new RangeError(
    `found the time zone ${JSON.stringify(hours.timeZone)}; expected a name of the IANA time zone database`,
  );
};

const offsetMs = (zone: IANAZone, atMs: number): number => Math.round(zone.offset(atMs) * MINUTE_MS);

const shiftsOf = (hours: BusinessHours, day: number): readonly Shift[] => {
  const weekday = WEEKDAYS[(((day + WEEKDAY_OF_DAY_0) % 7) + 7) % 7];
  return weekday === undefined ? [] : hours.week[weekday];
};

/** By the wall clock alone; `localMs` is what it shows, as if it showed UTC. */
const isOpenAt = (hours: BusinessHours, localMs: number): boolean => {
  const day = Math.floor(localMs / DAY_MS);
  const minute = (localMs - day * DAY_MS) / MINUTE_MS;
  if (!shiftsOf(hours, day).some(({ fromMinute, toMinute }) => fromMinute <= minute && minute < toMinute)) return false;
  return !hours.closedOn.includes(new Date(localMs).toISOString().slice(0, 10));
};

/**
 * Whether `nowMs` is within a shift by the wall clock of the zone. An hour that the clock repeats counts both times,
 * one that it leaves out never comes.
 * @throws RangeError for a time zone that is not known.
 */
export const isOpen = (hours: BusinessHours, nowMs: number): boolean =>
  isOpenAt(hours, nowMs + offsetMs(zoneOf(hours), nowMs));

/**
 * The end of the time from `fromMs` on in which the zone's clock runs evenly, at most a day later. Clock changes of
 * one zone have been a week apart at least since 1970, so that a day holds one or none.
 */
const evenUntil = (zone: IANAZone, fromMs: number): number => {
  const offset = zone.offset(fromMs);
  let evenMs = Math.floor(fromMs);
  let laterMs = evenMs + DAY_MS;
  if (zone.offset(laterMs) === offset) return laterMs;
  while (laterMs - evenMs > 1) {
    const middleMs = Math.floor((evenMs + laterMs) / 2);
    if (zone.offset(middleMs) === offset) evenMs = middleMs;
    else laterMs = middleMs;
  }
  return laterMs;
};

/** Every instant in `[fromMs, untilMs)`, where the clock runs evenly, at which the answer may change; in order. */
const candidates = (hours: BusinessHours, zone: IANAZone, fromMs: number, untilMs: number): number[] => {
  const offset = offsetMs(zone, fromMs);
  // The clock may have been changed at this very instant.
  const found = [fromMs];
  const lastDay = Math.floor((untilMs + offset) / DAY_MS);
  for (let day = Math.floor((fromMs + offset) / DAY_MS); day <= lastDay; day += 1) {
    const midnightMs = day * DAY_MS - offset;
    found.push(midnightMs);
    for (const { fromMinute, toMinute } of shiftsOf(hours, day)) {
      found.push(midnightMs + fromMinute * MINUTE_MS, midnightMs + toMinute * MINUTE_MS);
    }
  }
  return found.filter((atMs) => atMs >= fromMs && atMs < untilMs).sort((a, b) => a - b);
};

/**
 * The next instant after `nowMs` at which `isOpen` changes; undefined when it doesn't within a year: always closed, or
 * open around the clock.
 * @throws RangeError for a time zone that is not known.
 */
export const nextChange = (hours: BusinessHours, nowMs: number): number | undefined => {
  const zone = zoneOf(hours);
  const openNow = isOpen(hours, nowMs);
  const endMs = nowMs + LEAP_YEAR_MS;
  for (let fromMs = nowMs; fromMs <= endMs;) {
    const untilMs = evenUntil(zone, fromMs);
    const offset = offsetMs(zone, fromMs);
    const change = candidates(hours, zone, fromMs, untilMs).find((atMs) => isOpenAt(hours, atMs + offset) !== openNow);
    if (change !== undefined) return change <= endMs ? change : undefined;
    fromMs = untilMs;
  }
  return undefined;
};
