import { describe, expect, test } from 'vitest';
import { WEEKDAYS, type BusinessHours } from '../../src/core/business-hours.ts';
import { DEFAULT_RULES, Departments, NO_DEPARTMENT, type DepartmentRules } from '../../src/core/departments.ts';

const daily = (fromHour: number, toHour: number): BusinessHours => ({
  timeZone: 'UTC',
  week: Object.fromEntries(
    WEEKDAYS.map((day) => [day, [{ fromMinute: fromHour * 60, toMinute: toHour * 60 }]]),
  ) as unknown as BusinessHours['week'],
  closedOn: [],
});
const rules = (change: Partial<DepartmentRules>): DepartmentRules => ({ ...DEFAULT_RULES, ...change });
const at = (time: string): number => Date.parse(`2026-01-12T${time}Z`);

const sales = rules({ hours: daily(9, 17), fallback: 'support', botsFirst: true });
const support = rules({ hours: daily(8, 20) });
const others = rules({ hours: daily(0, 12) });
const departments = new Departments({ sales, support, [NO_DEPARTMENT]: others });

describe('rules', () => {
  test('are those of the department, or of no department, or the default', () => {
    expect(departments.rules('sales')).toBe(sales);
    expect(departments.rules(null)).toBe(others);
    expect(departments.rules('returns')).toBe(DEFAULT_RULES);
    expect(new Departments({}).rules(null)).toBe(DEFAULT_RULES);
  });

  test('what holds without a department is no department', () => {
    expect(departments.isConfigured('sales')).toBe(true);
    expect(departments.isConfigured('returns')).toBe(false);
    expect(departments.isConfigured(NO_DEPARTMENT)).toBe(false);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('a department may be called %s', (name) => {
    expect(departments.isConfigured(name)).toBe(false);
    expect(departments.rules(name)).toBe(DEFAULT_RULES);
    const named = new Departments(Object.fromEntries([[name, sales]]));
    expect(named.isConfigured(name)).toBe(true);
    expect(named.rules(name)).toBe(sales);
    expect(named.isOpen(name, at('08:00'))).toBe(false);
  });

  test('the default can not be changed', () => {
    expect(Object.isFrozen(DEFAULT_RULES)).toBe(true);
  });
});

describe('hours', () => {
  test('each department has its own, and one without is always open', () => {
    expect(departments.isOpen('sales', at('08:30'))).toBe(false);
    expect(departments.isOpen('support', at('08:30'))).toBe(true);
    expect(departments.isOpen(null, at('12:00'))).toBe(false);
    expect(departments.isOpen('returns', at('03:00'))).toBe(true);
  });

  test('when it opens is said while it is closed only', () => {
    expect(departments.opensAt('sales', at('08:30'))).toBe(at('09:00'));
    expect(departments.opensAt('sales', at('09:00'))).toBeUndefined();
    expect(departments.opensAt(null, at('12:00'))).toBe(at('24:00'));
    expect(departments.opensAt('returns', at('03:00'))).toBeUndefined();
    const never = new Departments({ sales: rules({ hours: daily(0, 0) }) });
    expect(never.isOpen('sales', at('00:00'))).toBe(false);
    expect(never.opensAt('sales', at('00:00'))).toBeUndefined();
  });

  test('the next change is the earliest of all', () => {
    const seen: number[] = [];
    let change = departments.nextChange(at('00:00'));
    while (change !== undefined && change < at('24:00')) {
      seen.push(change);
      change = departments.nextChange(change);
    }
    expect(seen).toEqual(['08:00', '09:00', '12:00', '17:00', '20:00'].map(at));
    expect(new Departments({}).nextChange(0)).toBeUndefined();
    expect(
      new Departments({ sales: rules({}), returns: rules({ hours: daily(0, 24) }) }).nextChange(0),
    ).toBeUndefined();
  });
});
