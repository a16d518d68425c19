import { DateTime } from 'luxon';
import { describe, expect, test } from 'vitest';
import { isOpen, nextChange, WEEKDAYS, type BusinessHours, type Shift } from '../../src/core/business-hours.ts';
import { Random, seedOf } from '../support/random.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const shift = (text: string): Shift => {
  const [from, to] = text.split('-').map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)));
  return { fromMinute: from!, toMinute: to! };
};

type Week = Partial<Record<(typeof WEEKDAYS)[number] | 'all', string[]>>;

/** `all` stands for the days that are not named. */
const hoursOf = (timeZone: string, week: Week, closedOn: string[] = []): BusinessHours => ({
  timeZone,
  week: Object.fromEntries(
    WEEKDAYS.map((day) => [day, (week[day] ?? week.all ?? []).map(shift)]),
  ) as unknown as BusinessHours['week'],
  closedOn,
});

const at = (iso: string): number => Date.parse(iso);
const next = (hours: BusinessHours, from: string): string | undefined => {
  const change = nextChange(hours, at(from));
  return change === undefined ? undefined : new Date(change).toISOString();
};

/** All changes in `[from, to)`, one from the other. */
const changes = (hours: BusinessHours, from: string, to: string): string[] => {
  const found: string[] = [];
  let change = nextChange(hours, at(from));
  while (change !== undefined && change < at(to)) {
    found.push(`${isOpen(hours, change) ? 'opens' : 'closes'} ${new Date(change).toISOString().slice(0, 16)}`);
    change = nextChange(hours, change);
  }
  return found;
};

const ROUND_THE_CLOCK = ['00:00-24:00'];

describe('on common days', () => {
  test('[HOURS-1] a shift holds from its first minute up to its last, by the clock of the zone, in winter and in summer', () => {
    const hours = hoursOf('Europe/Berlin', { mon: ['09:00-17:00'] });
    for (const [day, offset] of [
      ['2026-01-12', '+01:00'],
      ['2026-07-13', '+02:00'],
    ] as const) {
      expect(isOpen(hours, at(`${day}T08:59:59.999${offset}`))).toBe(false);
      expect(isOpen(hours, at(`${day}T09:00:00.000${offset}`))).toBe(true);
      expect(isOpen(hours, at(`${day}T16:59:59.999${offset}`))).toBe(true);
      expect(isOpen(hours, at(`${day}T17:00:00.000${offset}`))).toBe(false);
    }
  });

  test('[HOURS-1] the weekday and the date are those of the zone, not of UTC', () => {
    const hours = hoursOf('Pacific/Kiritimati', { all: ROUND_THE_CLOCK }, ['2026-03-02']);
    expect(changes(hours, '2026-02-20T00:00Z', '2026-04-01T00:00Z')).toEqual([
      'closes 2026-03-01T10:00',
      'opens 2026-03-02T10:00',
    ]);
    const monday = hoursOf('America/Los_Angeles', { mon: ['20:00-23:00'] });
    expect(isOpen(monday, at('2026-01-13T05:00Z'))).toBe(true);
    expect(isOpen(monday, at('2026-01-12T05:00Z'))).toBe(false);
  });

  test('[HOURS-1] offsets that are no whole hours', () => {
    expect(next(hoursOf('Asia/Kathmandu', { mon: ['09:00-17:00'] }), '2026-01-12T00:00Z')).toBe(
      '2026-01-12T03:15:00.000Z',
    );
  });

  test('[HOURS-1] shifts that adjoin are one opening, over midnight too', () => {
    const day = hoursOf('UTC', { mon: ['09:00-12:00', '12:00-17:00'] });
    expect(changes(day, '2026-01-12T00:00Z', '2026-01-13T00:00Z')).toEqual([
      'opens 2026-01-12T09:00',
      'closes 2026-01-12T17:00',
    ]);
    const night = hoursOf('UTC', { mon: ['22:00-24:00'], tue: ['00:00-06:00'] });
    expect(changes(night, '2026-01-12T00:00Z', '2026-01-14T00:00Z')).toEqual([
      'opens 2026-01-12T22:00',
      'closes 2026-01-13T06:00',
    ]);
  });

  test('[HOURS-1] the order in which shifts are written says nothing', () => {
    const hours = hoursOf('UTC', { mon: ['13:00-17:00', '09:00-12:00'] });
    expect(next(hours, '2026-01-12T00:00Z')).toBe('2026-01-12T09:00:00.000Z');
  });

  test('[HOURS-1] a closed day ends an opening at its midnight and begins none', () => {
    const hours = hoursOf('Europe/Berlin', { all: ['20:00-24:00', '00:00-02:00'] }, ['2026-12-25']);
    expect(changes(hours, '2026-12-24T12:00Z', '2026-12-26T12:00Z')).toEqual([
      'opens 2026-12-24T19:00',
      'closes 2026-12-24T23:00',
      'opens 2026-12-25T23:00',
      'closes 2026-12-26T01:00',
    ]);
  });

  test('[HOURS-1] always closed, or open around the clock, never changes, also where clocks do', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Pacific/Apia']) {
      for (const from of ['2011-06-01T00:00Z', '2018-06-01T00:00Z', '2026-06-01T00:00Z']) {
        expect(next(hoursOf(zone, {}), from)).toBeUndefined();
        expect(next(hoursOf(zone, { all: ROUND_THE_CLOCK }), from)).toBeUndefined();
      }
    }
  });

  test('[HOURS-1] a change within a year is found, one beyond is not', () => {
    const hours = hoursOf('UTC', { all: ROUND_THE_CLOCK }, ['2027-01-01']);
    expect(next(hours, '2026-01-01T00:00Z')).toBe('2027-01-01T00:00:00.000Z');
    expect(next(hours, '2025-12-30T00:00Z')).toBeUndefined();
  });

  test('a zone that is not known is an error, not a guess', () => {
    expect(() => isOpen(hoursOf('Europe/Berln', { mon: ['09:00-17:00'] }), 0)).toThrow(/"Europe\/Berln"/);
    expect(() => nextChange(hoursOf('Europe/Berln', {}), 0)).toThrow(RangeError);
  });
});

describe('on the day when clocks go forward', () => {
  // Berlin, 2026-03-29: 01:59:59 is followed by 03:00:00, at 01:00 UTC.
  test('[HOURS-1] a shift in the hour that is left out does not come, and the next is a week later', () => {
    const hours = hoursOf('Europe/Berlin', { sun: ['02:00-03:00'] });
    expect(next(hours, '2026-03-28T12:00Z')).toBe('2026-04-05T00:00:00.000Z');
    expect(isOpen(hours, at('2026-03-29T00:59:59Z'))).toBe(false);
    expect(isOpen(hours, at('2026-03-29T01:00Z'))).toBe(false);
  });

  test('[HOURS-1] a shift that begins or ends in it begins or ends with the change', () => {
    const day = ['2026-03-28T12:00Z', '2026-03-29T12:00Z'] as const;
    expect(changes(hoursOf('Europe/Berlin', { sun: ['01:30-02:30'] }), ...day)).toEqual([
      'opens 2026-03-29T00:30',
      'closes 2026-03-29T01:00',
    ]);
    expect(changes(hoursOf('Europe/Berlin', { sun: ['02:30-03:30'] }), ...day)).toEqual([
      'opens 2026-03-29T01:00',
      'closes 2026-03-29T01:30',
    ]);
    // 02:00, where one ends, and 02:30, where the other begins, are the same instant.
    expect(changes(hoursOf('Europe/Berlin', { sun: ['01:00-02:00', '02:30-04:00'] }), ...day)).toEqual([
      'opens 2026-03-29T00:00',
      'closes 2026-03-29T02:00',
    ]);
  });

  test('[HOURS-1] where midnight is left out, the day begins at 01:00', () => {
    // São Paulo, 2018-11-04: 23:59:59 is followed by 01:00:00, at 03:00 UTC.
    const sunday = hoursOf('America/Sao_Paulo', { sun: ROUND_THE_CLOCK });
    expect(changes(sunday, '2018-11-03T00:00Z', '2018-11-06T00:00Z')).toEqual([
      'opens 2018-11-04T03:00',
      'closes 2018-11-05T02:00',
    ]);
    const closed = hoursOf('America/Sao_Paulo', { all: ROUND_THE_CLOCK }, ['2018-11-04']);
    expect(changes(closed, '2018-11-03T00:00Z', '2018-11-06T00:00Z')).toEqual([
      'closes 2018-11-04T03:00',
      'opens 2018-11-05T02:00',
    ]);
  });

  test('[HOURS-1] a date that a zone left out opens and closes nothing', () => {
    // Samoa went from Thursday, 2011-12-29, straight to Saturday, at 10:00 UTC.
    const hours = hoursOf('Pacific/Apia', { fri: ['09:00-17:00'] });
    expect(next(hours, '2011-12-28T00:00Z')).toBe('2012-01-05T19:00:00.000Z');
    const open = hoursOf('Pacific/Apia', { all: ROUND_THE_CLOCK }, ['2011-12-30']);
    expect(next(open, '2011-12-28T00:00Z')).toBeUndefined();
  });
});

describe('on the day when clocks go back', () => {
  // Berlin, 2026-10-25: 02:59:59 is followed by 02:00:00, at 01:00 UTC.
  const day = ['2026-10-24T12:00Z', '2026-10-25T12:00Z'] as const;

  test('[HOURS-1] a shift in the hour that comes twice opens twice', () => {
    expect(changes(hoursOf('Europe/Berlin', { sun: ['02:15-02:45'] }), ...day)).toEqual([
      'opens 2026-10-25T00:15',
      'closes 2026-10-25T00:45',
      'opens 2026-10-25T01:15',
      'closes 2026-10-25T01:45',
    ]);
    expect(changes(hoursOf('Europe/Berlin', { sun: ['01:00-02:30'] }), ...day)).toEqual([
      'opens 2026-10-24T23:00',
      'closes 2026-10-25T00:30',
      'opens 2026-10-25T01:00',
      'closes 2026-10-25T01:30',
    ]);
  });

  test('[HOURS-1] a shift over that hour is one opening, an hour longer', () => {
    for (const shifts of [['02:00-03:00'], ['01:00-04:00']]) {
      const found = changes(hoursOf('Europe/Berlin', { sun: shifts }), ...day);
      expect(found).toHaveLength(2);
    }
    expect(changes(hoursOf('Europe/Berlin', { sun: ['02:00-03:00'] }), ...day)).toEqual([
      'opens 2026-10-25T00:00',
      'closes 2026-10-25T02:00',
    ]);
  });

  test('[HOURS-1] where midnight falls back to the day before, that day goes on', () => {
    // São Paulo, 2019-02-16: 23:59:59 is followed by 23:00:00, at 02:00 UTC of the 17th.
    const saturday = hoursOf('America/Sao_Paulo', { sat: ROUND_THE_CLOCK });
    expect(changes(saturday, '2019-02-15T00:00Z', '2019-02-19T00:00Z')).toEqual([
      'opens 2019-02-16T02:00',
      'closes 2019-02-17T03:00',
    ]);
  });

  test('[HOURS-1] half an hour back', () => {
    // Lord Howe Island, 2026-04-05: 01:59:59 is followed by 01:30:00, at 15:00 UTC of the 4th.
    expect(
      changes(hoursOf('Australia/Lord_Howe', { sun: ['01:45-06:00'] }), '2026-04-04T00:00Z', '2026-04-05T00:00Z'),
    ).toEqual([
      'opens 2026-04-04T14:45',
      'closes 2026-04-04T15:00',
      'opens 2026-04-04T15:15',
      'closes 2026-04-04T19:30',
    ]);
  });
});

/** Weekends on which clocks change: zone and a date shortly before. */
const WEEKENDS: readonly (readonly [string, string])[] = [
  ['Europe/Berlin', '2026-03-28'],
  ['Europe/Berlin', '2026-10-24'],
  ['America/New_York', '2026-03-07'],
  ['America/New_York', '2026-10-31'],
  ['America/St_Johns', '2006-04-01'],
  ['America/St_Johns', '2006-10-28'],
  ['America/Sao_Paulo', '2018-11-03'],
  ['America/Sao_Paulo', '2019-02-16'],
  ['America/Havana', '2026-03-07'],
  ['America/Havana', '2026-10-31'],
  ['Atlantic/Azores', '2026-03-28'],
  ['Atlantic/Azores', '2026-10-24'],
  ['Africa/Cairo', '2024-04-25'],
  ['Africa/Cairo', '2024-10-31'],
  ['Australia/Lord_Howe', '2026-04-04'],
  ['Australia/Lord_Howe', '2026-10-03'],
  ['Antarctica/Troll', '2026-03-28'],
  ['Pacific/Chatham', '2026-04-04'],
  ['Pacific/Apia', '2011-12-29'],
  ['Asia/Pyongyang', '2018-05-04'],
];

/** Many near the hours at which clocks change. */
const BOUNDARIES = [0, 1, 15, 30, 60, 90, 105, 120, 135, 150, 165, 180, 210, 540, 720, 1020, 1380, 1410, 1439, 1440];

const randomShifts = (random: Random): Shift[] => {
  if (random.chance(0.15)) return [{ fromMinute: 0, toMinute: 1440 }];
  const picked = new Set(Array.from({ length: random.below(7) }, () => random.pick(BOUNDARIES)));
  const times = [...picked].sort((a, b) => a - b);
  // Every neighbouring pair is a shift or a pause, so that some adjoin.
  return times.slice(1).flatMap((to, index) => {
    const shifts = [{ fromMinute: times[index]!, toMinute: to }];
    return random.chance(0.7) ? shifts : [];
  });
};

describe('against a walk minute by minute', () => {
  test('[HOURS-1] every change of random hours is found, and no other, where clocks change', () => {
    const seed = seedOf(20_261_025);
    const random = new Random(seed);
    for (const [timeZone, date] of [...WEEKENDS, ...WEEKENDS, ...WEEKENDS]) {
      const startMs = at(`${date}T00:00Z`) - DAY_MS / 2;
      const endMs = startMs + 3 * DAY_MS;
      const hours: BusinessHours = {
        timeZone,
        week: Object.fromEntries(
          WEEKDAYS.map((day) => [day, randomShifts(random)]),
        ) as unknown as BusinessHours['week'],
        closedOn: random.chance(0.3)
          ? [DateTime.fromMillis(startMs + random.below(3) * DAY_MS, { zone: timeZone }).toISODate()!]
          : [],
      };
      const context = `SEED=${String(seed)} ${timeZone} ${date} ${JSON.stringify(hours)}`;

      const walked: number[] = [];
      let wasOpen = isOpen(hours, startMs);
      for (let atMs = startMs + MINUTE_MS; atMs < endMs; atMs += MINUTE_MS) {
        const open = isOpen(hours, atMs);
        if (open !== wasOpen) walked.push(atMs);
        wasOpen = open;
      }
      const found: number[] = [];
      // From within a minute first, then each from the one before.
      let change = nextChange(hours, startMs + random.below(MINUTE_MS));
      while (change !== undefined && change < endMs) {
        found.push(change);
        change = nextChange(hours, change);
      }
      expect(found, context).toEqual(walked);

      // isOpen itself, against the calendar of a library.
      for (let sample = 0; sample < 150; sample += 1) {
        const atMs = startMs + random.below(3 * DAY_MS);
        const wall = DateTime.fromMillis(atMs, { zone: timeZone });
        const minute = wall.hour * 60 + wall.minute;
        const expected =
          !hours.closedOn.includes(wall.toISODate()!) &&
          hours.week[WEEKDAYS[wall.weekday - 1]!].some((one) => one.fromMinute <= minute && minute < one.toMinute);
        expect(isOpen(hours, atMs), `${context} at ${wall.toISO()!}`).toBe(expected);
      }
    }
  });
});
