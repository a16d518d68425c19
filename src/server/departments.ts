import { readFileSync } from 'node:fs';
import { DateTime, IANAZone } from 'luxon';
import { z } from 'zod';
import { id } from '../contract/text.ts';
import { WEEKDAYS, type BusinessHours, type Shift, type Weekday } from '../core/business-hours.ts';
import { DEFAULT_RULES, NO_DEPARTMENT, type DepartmentRules, type DepartmentTable } from '../core/departments.ts';

type Path = readonly string[];
/** Takes a problem and goes on, so that all of them are told at once. */
type Report = (path: Path, message: string) => void;
type Fields = Readonly<Record<string, unknown>>;

const DEPARTMENT_FIELDS = ['fallback', 'botsFirst', 'hours', 'outOfHoursMessage'] as const;
const HOURS_FIELDS = ['timeZone', 'week', 'closedOn'] as const;
const DEFAULT_TIME_ZONE = 'UTC';
const MAX_SHOWN = 80;
const SHIFT = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;
const MINUTES_OF_DAY = 1440;

const show = (value: unknown): string => {
  const json = JSON.stringify(value);
  return json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}…` : json;
};

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Own fields only, so that nothing inherited passes for written. `byDefault` where there is none; a null is one. */
const field = (fields: Fields, name: string, byDefault?: unknown): unknown =>
  Object.hasOwn(fields, name) ? fields[name] : byDefault;

const refuseUnknown = (fields: Fields, known: readonly string[], path: Path, report: Report): void => {
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) {
      report([...path, name], `found a field that does not exist; expected one of ${known.join(', ')}`);
    }
  }
};

const readShift = (value: unknown, path: Path, report: Report): Shift | undefined => {
  const match = typeof value === 'string' ? SHIFT.exec(value) : null;
  if (match === null) {
    report(path, `found ${show(value)}; expected a time of opening such as "09:00-12:30", within 00:00 and 24:00`);
    return undefined;
  }
  const [, fromHour, fromMinutes, toHour, toMinutes] = match;
  const fromMinute = Number(fromHour) * 60 + Number(fromMinutes);
  const toMinute = toHour === undefined ? MINUTES_OF_DAY : Number(toHour) * 60 + Number(toMinutes);
  if (fromMinute < toMinute) return { fromMinute, toMinute };
  report(
    path,
    `found ${show(value)}, which does not end after it begins; expected an end later that day. Write one that goes past midnight as two: until 24:00, and the next day from 00:00`,
  );
  return undefined;
};

const readDay = (value: unknown, path: Path, report: Report): Shift[] => {
  if (!Array.isArray(value)) {
    report(path, `found ${show(value)}; expected a list such as ["09:00-12:30", "13:00-17:00"]`);
    return [];
  }
  const read = (value as unknown[]).flatMap((item, index) => {
    const at = [...path, String(index)];
    const shift = readShift(item, at, report);
    return shift === undefined ? [] : [{ shift, text: show(item), at }];
  });
  read.sort((a, b) => a.shift.fromMinute - b.shift.fromMinute);
  let last: (typeof read)[number] | undefined;
  for (const next of read) {
    if (last !== undefined && next.shift.fromMinute < last.shift.toMinute) {
      report(next.at, `found ${next.text}, which overlaps ${last.text}; expected times apart from each other`);
    }
    if (last === undefined || next.shift.toMinute > last.shift.toMinute) last = next;
  }
  return read.map(({ shift }) => shift);
};

const readWeek = (value: unknown, path: Path, report: Report): BusinessHours['week'] => {
  const week: Record<Weekday, Shift[]> = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] };
  if (value !== undefined && !isObject(value)) {
    report(path, `found ${show(value)}; expected an object such as {"mon":["09:00-17:00"]}`);
    return week;
  }
  const fields = value ?? {};
  refuseUnknown(fields, WEEKDAYS, path, report);
  for (const weekday of WEEKDAYS) {
    const day = field(fields, weekday);
    if (day !== undefined) week[weekday] = readDay(day, [...path, weekday], report);
  }
  // What is written in another way than it should be has been told already, and says that an opening was meant.
  const isEmpty = Object.values(fields).every((day) => Array.isArray(day) && day.length === 0);
  if (isEmpty) {
    report(
      path,
      'found no time of opening in the whole week; expected at least one. Leave "hours" out for a department that is always open',
    );
  }
  return week;
};

const readClosedOn = (value: unknown, path: Path, report: Report): string[] => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    report(path, `found ${show(value)}; expected a list of dates such as ["2026-12-25"]`);
    return [];
  }
  const dates = new Set<string>();
  for (const [index, item] of (value as unknown[]).entries()) {
    if (typeof item === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(item) && DateTime.fromISO(item).isValid) dates.add(item);
    else report([...path, String(index)], `found ${show(item)}; expected a date such as "2026-12-25"`);
  }
  return [...dates];
};

const readTimeZone = (value: unknown, path: Path, report: Report): string => {
  if (value === undefined) return DEFAULT_TIME_ZONE;
  // Newer versions of Node take offsets such as +01:00 too, which know nothing of summer time.
  if (typeof value === 'string' && /^[A-Za-z]/.test(value) && IANAZone.isValidZone(value)) return value;
  report(
    path,
    `found the time zone ${show(value)}; expected a name of the IANA time zone database, such as Europe/Berlin`,
  );
  return DEFAULT_TIME_ZONE;
};

const readHours = (value: unknown, path: Path, report: Report): BusinessHours | undefined => {
  if (value === undefined) return undefined;
  if (!isObject(value)) {
    report(path, `found ${show(value)}; expected an object with ${HOURS_FIELDS.join(', ')}`);
    return undefined;
  }
  refuseUnknown(value, HOURS_FIELDS, path, report);
  return {
    timeZone: readTimeZone(field(value, 'timeZone'), [...path, 'timeZone'], report),
    week: readWeek(field(value, 'week'), [...path, 'week'], report),
    closedOn: readClosedOn(field(value, 'closedOn'), [...path, 'closedOn'], report),
  };
};

const readFallback = (value: unknown, name: string, table: Fields, report: Report): string | undefined => {
  if (value === undefined) return undefined;
  const path = [name, 'fallback'];
  const others = Object.keys(table).filter((other) => other !== name && other !== NO_DEPARTMENT);
  if (typeof value === 'string' && others.includes(value)) return value;
  const found =
    value === name && name !== NO_DEPARTMENT
      ? `found ${show(value)}, the department itself`
      : value === NO_DEPARTMENT
        ? `found "${NO_DEPARTMENT}", which is no department`
        : typeof value === 'string'
          ? `found ${show(value)}, which is not configured here`
          : `found ${show(value)}`;
  const names = others.length === 0 ? ' (there is none yet: add it, {} is enough)' : `: ${others.map(show).join(', ')}`;
  report(path, `${found}; expected another department of this setting${names}`);
  return undefined;
};

const readRules = (value: unknown, name: string, table: Fields, report: Report): DepartmentRules => {
  const path = [name];
  if (name !== NO_DEPARTMENT && !id().safeParse(name).success) {
    report(
      path,
      'found a name that no department can have; expected 1 to 128 characters, none of them control characters',
    );
  }
  if (!isObject(value)) {
    report(path, `found ${show(value)}; expected an object with any of ${DEPARTMENT_FIELDS.join(', ')}`);
    return DEFAULT_RULES;
  }
  refuseUnknown(value, DEPARTMENT_FIELDS, path, report);
  const botsFirst = field(value, 'botsFirst', DEFAULT_RULES.botsFirst);
  if (typeof botsFirst !== 'boolean') {
    report([...path, 'botsFirst'], `found ${show(botsFirst)}; expected true or false`);
  }
  const message = field(value, 'outOfHoursMessage', DEFAULT_RULES.outOfHoursMessage);
  const isText = typeof message === 'string' && message.trim() !== '';
  if (!isText) report([...path, 'outOfHoursMessage'], `found ${show(message)}; expected a text that is not empty`);
  return {
    fallback: readFallback(field(value, 'fallback'), name, table, report),
    botsFirst: botsFirst === true,
    hours: readHours(field(value, 'hours'), [...path, 'hours'], report),
    outOfHoursMessage: isText ? message : DEFAULT_RULES.outOfHoursMessage,
  };
};

const SHAPE = 'a JSON object of departments by their names, such as {"sales":{"botsFirst":true}}';

const readJson = (value: string, report: Report): unknown => {
  const isInline = value.trimStart().startsWith('{');
  let json = value;
  if (!isInline) {
    try {
      // Editors on Windows begin a file with a byte order mark, which JSON.parse refuses.
      json = readFileSync(value, 'utf8').replace(/^\uFEFF/, '');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      report(
        [],
        `found ${show(value)}, which is neither a JSON object nor a file that can be read (${code ?? 'unreadable'}); expected ${SHAPE}, or the path of a file with one`,
      );
      return undefined;
    }
  }
  const place = isInline ? 'a text' : `the file ${show(value)}`;
  try {
    const parsed: unknown = JSON.parse(json);
    if (isObject(parsed)) return parsed;
    report([], `found ${place} with ${show(parsed)}; expected ${SHAPE}`);
  } catch (error) {
    report(
      [],
      `found ${place} that is not JSON (${error instanceof Error ? error.message : String(error)}); expected ${SHAPE}`,
    );
  }
  return undefined;
};

/**
 * Departments by name, from a JSON object or the path of a file with one. Every problem becomes an issue of its own
 * whose `path` leads to it.
 */
export const departmentsText: z.ZodType<DepartmentTable, string> = z.string().transform((value, context) => {
  let problems = 0;
  const report: Report = (path, message) => {
    problems += 1;
    context.addIssue({ code: 'custom', path: [...path], message });
  };
  const json = readJson(value, report);
  if (!isObject(json)) return z.NEVER;
  // fromEntries makes own properties of all names, `__proto__` too; an assignment would not.
  const table: DepartmentTable = Object.fromEntries(
    Object.entries(json).map(([name, rules]) => [name, readRules(rules, name, json, report)]),
  );
  return problems === 0 ? table : z.NEVER;
});
