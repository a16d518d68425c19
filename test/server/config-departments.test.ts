import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_RULES, Departments } from '../../src/core/departments.ts';
import { ROUTING_STRATEGIES } from '../../src/contract/schemas.ts';
import { loadConfig, type Config } from '../../src/server/config.ts';
import { ConfigError } from '../../src/server/start-error.ts';

const MAX_NAME = 128;

const messages = (value: string, setting = 'DESKWIRE_DEPARTMENTS'): string[] => {
  try {
    loadConfig({ [setting]: value });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.exitCode).toBe(78);
    expect(new Set(error.problems.map((problem) => problem.setting))).toEqual(new Set([setting]));
    return error.problems.map((problem) => problem.message);
  }
  throw new Error('expected the configuration to be refused');
};

const read = (table: unknown): Config['departments'] =>
  loadConfig({ DESKWIRE_DEPARTMENTS: JSON.stringify(table) }).departments;

const withHours = (hours: unknown): string => JSON.stringify({ sales: { hours } });
const withWeek = (week: unknown): string => withHours({ timeZone: 'UTC', week });

const inFile = (content: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-departments-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'departments.json');
  writeFileSync(file, content);
  return file;
};

const FULL = {
  sales: {
    fallback: 'support',
    botsFirst: true,
    hours: {
      timeZone: 'Europe/Berlin',
      week: { mon: ['13:00-17:00', '09:00-12:30'], sun: ['00:00-24:00'] },
      closedOn: ['2026-12-25', '2028-02-29', '2026-12-25'],
    },
    outOfHoursMessage: 'Back on Monday.',
  },
  support: {},
  '*': { botsFirst: true },
};

describe('departments that are taken', () => {
  test('every field, and the defaults of those left out', () => {
    expect(read(FULL)).toEqual({
      sales: {
        fallback: 'support',
        botsFirst: true,
        hours: {
          timeZone: 'Europe/Berlin',
          week: {
            mon: [
              { fromMinute: 540, toMinute: 750 },
              { fromMinute: 780, toMinute: 1020 },
            ],
            tue: [],
            wed: [],
            thu: [],
            fri: [],
            sat: [],
            sun: [{ fromMinute: 0, toMinute: 1440 }],
          },
          closedOn: ['2026-12-25', '2028-02-29'],
        },
        outOfHoursMessage: 'Back on Monday.',
      },
      support: DEFAULT_RULES,
      '*': { ...DEFAULT_RULES, botsFirst: true },
    });
    expect(loadConfig({}).departments).toEqual({});
    expect(read({})).toEqual({});
  });

  test('hours without a time zone are in UTC', () => {
    expect(read({ sales: { hours: { week: { mon: ['09:00-17:00'] } } } })['sales']?.hours?.timeZone).toBe('UTC');
  });

  test('times that adjoin, and two departments that stand in for each other', () => {
    const table = read({
      a: { fallback: 'b', hours: { week: { mon: ['09:00-12:00', '12:00-17:00'] } } },
      b: { fallback: 'a' },
    });
    expect(table['a']?.hours?.week.mon).toHaveLength(2);
    expect(table['b']?.fallback).toBe('a');
  });

  test('from a file, with or without a byte order mark, the same as inline', () => {
    for (const mark of ['', '\uFEFF']) {
      const file = inFile(`${mark}\n${JSON.stringify(FULL, null, 2)}\n`);
      expect(loadConfig({ DESKWIRE_DEPARTMENTS: file }).departments).toEqual(read(FULL));
    }
    expect(loadConfig({ DESKWIRE_DEPARTMENTS: ` \n${JSON.stringify(FULL)}` }).departments).toEqual(read(FULL));
  });

  test('are frozen all the way down', () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(read(FULL))).toBe(true);
  });

  test('names like those of what every object inherits', () => {
    const table = loadConfig({
      DESKWIRE_DEPARTMENTS: '{"__proto__":{"fallback":"constructor"},"constructor":{"botsFirst":true}}',
    }).departments;
    expect(Object.keys(table)).toEqual(['__proto__', 'constructor']);
    expect(new Departments(table).rules('__proto__').fallback).toBe('constructor');
    expect(new Departments(table).rules('constructor').botsFirst).toBe(true);
    expect(new Departments(table).rules('botsFirst')).toBe(DEFAULT_RULES);
  });
});

describe('departments that are refused, each problem with its place', () => {
  const long = 'x'.repeat(MAX_NAME + 1);

  test.each<[string, string, RegExp]>([
    ['{"sales":', 'found a text that is not JSON', /expected a JSON object/],
    ['/no/such/file.json', 'found "/no/such/file.json"', /ENOENT.*path of a file/],
    ['[{}]', 'found "[{}]"', /neither a JSON object nor a file/],
    ['{"sales":true}', 'sales: found true', /fallback, botsFirst, hours, outOfHoursMessage/],
    ['{"sales":null}', 'sales: found null', /expected an object/],
    ['{"sales":[]}', 'sales: found []', /expected an object/],
    ['{"sales":{"hour":{}}}', 'sales.hour: found a field that does not exist', /botsFirst, hours/],
    ['{"sales":{"__proto__":{}}}', 'sales.__proto__: found a field that does not exist', /botsFirst/],
    ['{"sales":{"botsFirst":"yes"}}', 'sales.botsFirst: found "yes"', /true or false/],
    ['{"sales":{"botsFirst":null}}', 'sales.botsFirst: found null', /true or false/],
    ['{"sales":{"outOfHoursMessage":""}}', 'sales.outOfHoursMessage: found ""', /not empty/],
    ['{"sales":{"outOfHoursMessage":1}}', 'sales.outOfHoursMessage: found 1', /text/],
    ['{"sales":{"fallback":"support"}}', 'sales.fallback: found "support", which is not configured', /add it/],
    ['{"a":{"fallback":"c"},"b":{}}', 'a.fallback: found "c", which is not configured', /: "b"\.$/],
    ['{"a":{"fallback":"toString"},"b":{}}', 'a.fallback: found "toString"', /not configured/],
    ['{"a":{"fallback":"a"},"b":{}}', 'a.fallback: found "a", the department itself', /another department.*"b"/],
    ['{"a":{"fallback":"*"},"*":{}}', 'a.fallback: found "*", which is no department', /another department/],
    ['{"*":{"fallback":"*"},"b":{}}', '*.fallback: found "*", which is no department', /"b"/],
    ['{"a":{"fallback":null}}', 'a.fallback: found null', /another department/],
    ['{"":{}}', '"": found a name that no department can have', /1 to 128/],
    [JSON.stringify({ [long]: {} }), `${long}: found a name`, /1 to 128/],
    ['{"a\\nb.c":{}}', '"a\\nb.c": found a name', /control characters/],
    [withHours('09-17'), 'sales.hours: found "09-17"', /timeZone, week, closedOn/],
    [withHours({ zone: 'UTC', week: { mon: ['09:00-17:00'] } }), 'sales.hours.zone: found a field', /timeZone/],
    [
      withHours({ timeZone: 'Europe/Berln', week: { mon: ['09:00-17:00'] } }),
      'sales.hours.timeZone: found the time zone "Europe/Berln"; expected a name of the IANA time zone database, such as Europe/Berlin.',
      /./,
    ],
    [
      withHours({ timeZone: '+01:00', week: { mon: ['09:00-17:00'] } }),
      'sales.hours.timeZone: found the time zone "+01:00"',
      /IANA/,
    ],
    [
      withHours({ timeZone: '', week: { mon: ['09:00-17:00'] } }),
      'sales.hours.timeZone: found the time zone ""',
      /IANA/,
    ],
    [withHours({}), 'sales.hours.week: found no time of opening', /always open/],
    [withWeek({}), 'sales.hours.week: found no time of opening', /at least one/],
    [withWeek({ mon: [], tue: [] }), 'sales.hours.week: found no time of opening', /at least one/],
    [withWeek(null), 'sales.hours.week: found null', /"mon"/],
    [withWeek([]), 'sales.hours.week: found []', /"mon"/],
    [withWeek({ monday: ['09:00-17:00'] }), 'sales.hours.week.monday: found a field', /mon, tue, wed/],
    [withWeek({ mon: '09:00-17:00' }), 'sales.hours.week.mon: found "09:00-17:00"', /list/],
    [withWeek({ mon: ['9:00-17:00'] }), 'sales.hours.week.mon.0: found "9:00-17:00"', /"09:00-12:30"/],
    [withWeek({ mon: ['09:00-24:01'] }), 'sales.hours.week.mon.0: found "09:00-24:01"', /00:00 and 24:00/],
    [withWeek({ mon: ['24:00-24:00'] }), 'sales.hours.week.mon.0: found "24:00-24:00"', /"09:00-12:30"/],
    [withWeek({ mon: ['09:60-10:00'] }), 'sales.hours.week.mon.0: found "09:60-10:00"', /"09:00-12:30"/],
    [withWeek({ mon: ['09:00-17:00\n'] }), 'sales.hours.week.mon.0: found "09:00-17:00\\n"', /"09:00-12:30"/],
    [withWeek({ mon: ['09:00–17:00'] }), 'sales.hours.week.mon.0: found "09:00–17:00"', /"09:00-12:30"/],
    [withWeek({ mon: [540] }), 'sales.hours.week.mon.0: found 540', /"09:00-12:30"/],
    [withWeek({ mon: ['22:00-06:00'] }), 'sales.hours.week.mon.0: found "22:00-06:00"', /past midnight as two/],
    [withWeek({ mon: ['09:00-09:00'] }), 'sales.hours.week.mon.0: found "09:00-09:00"', /does not end after/],
    [
      withWeek({ mon: ['12:00-15:00', '09:00-12:01'] }),
      'sales.hours.week.mon.0: found "12:00-15:00", which overlaps "09:00-12:01"',
      /apart/,
    ],
    [
      withWeek({ mon: ['09:00-17:00', '10:00-11:00'] }),
      'sales.hours.week.mon.1: found "10:00-11:00", which overlaps "09:00-17:00"',
      /apart/,
    ],
    [
      withHours({ week: { mon: ['09:00-17:00'] }, closedOn: '2026-12-25' }),
      'sales.hours.closedOn: found "2026',
      /list/,
    ],
    [
      withHours({ week: { mon: ['09:00-17:00'] }, closedOn: ['2026-12-24', '2026-02-30'] }),
      'sales.hours.closedOn.1: found "2026-02-30"',
      /"2026-12-25"/,
    ],
    [
      withHours({ week: { mon: ['09:00-17:00'] }, closedOn: ['25.12.2026'] }),
      'sales.hours.closedOn.0: found "25.12.2026"',
      /"2026-12-25"/,
    ],
  ])('[START-1] %s', (value, start, expected) => {
    const found = messages(value);
    expect(found).toHaveLength(1);
    expect(found[0]?.slice(0, start.length)).toBe(start);
    expect(found[0]).toMatch(expected);
  });

  test('[START-1] a file that is no JSON, or no object, is named', () => {
    const broken = inFile('{"sales":{}');
    expect(messages(broken).join()).toContain(`found the file ${JSON.stringify(broken)} that is not JSON`);
    const list = inFile('[]');
    expect(messages(list).join()).toContain(`found the file ${JSON.stringify(list)} with []`);
  });

  test('[START-1] all of them at once, each on a line of its own, beside those of other settings', () => {
    const value = {
      sales: { fallback: 'sales', hours: { timeZone: 'X', week: { mon: ['9-5'] }, closedOn: ['never'] } },
      support: { bots: true },
    };
    expect(messages(JSON.stringify(value)).map((message) => message.split(':')[0])).toEqual([
      'sales.fallback',
      'sales.hours.timeZone',
      'sales.hours.week.mon.0',
      'sales.hours.closedOn.0',
      'support.bots',
    ]);
    expect(() => loadConfig({ DESKWIRE_DEPARTMENTS: '{"a":{"b":1}}', PORT: 'x' })).toThrow(
      /PORT: .*\n {2}DESKWIRE_DEPARTMENTS: a\.b: found/s,
    );
  });
});

describe('the settings beside them', () => {
  test('their defaults', () => {
    expect(loadConfig({})).toMatchObject({
      routing: 'least-busy',
      closedConversations: 'reopen',
      inactivityMessage: "Are you still there? This conversation closes soon if we don't hear from you.",
    });
  });

  test('what they may be', () => {
    for (const routing of ROUTING_STRATEGIES) expect(loadConfig({ DESKWIRE_ROUTING: routing }).routing).toBe(routing);
    for (const closed of ['reopen', 'new'] as const) {
      expect(loadConfig({ DESKWIRE_CLOSED_CONVERSATIONS: closed }).closedConversations).toBe(closed);
    }
    expect(loadConfig({ DESKWIRE_INACTIVITY_MESSAGE: 'Noch da?' }).inactivityMessage).toBe('Noch da?');
  });

  test('[START-1] anything else is refused', () => {
    expect(messages('random', 'DESKWIRE_ROUTING')).toEqual([
      'found "random"; expected one of least-busy, round-robin, longest-idle, manual, offer.',
    ]);
    expect(messages('reopened', 'DESKWIRE_CLOSED_CONVERSATIONS')).toEqual([
      'found "reopened"; expected one of reopen, new.',
    ]);
  });
});
