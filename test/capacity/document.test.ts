import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COSTS_PATH, loadCosts, readCosts, unmeasured, valuesOf } from '../../bench/capacity/costs.ts';
import { capacityPage } from '../../bench/capacity/document.ts';
import { bytes, figure, percent } from '../../bench/capacity/figures.ts';
import { useOf } from '../../bench/capacity/model.ts';
import { nodesNeeded, saturationOf, type Part } from '../../bench/capacity/saturation.ts';
import { SECTIONS } from '../../bench/capacity/sections.ts';
import { optionOf, planOf } from '../../bench/capacity/workload.ts';
import { everyCost, fileOf } from './costs.ts';

const page = SECTIONS.map(({ name }) => `<!-- ${name} -->\n<!-- /${name} -->`).join('\n\n');

describe('the page', () => {
  it('has every table, and is the same when it is made again', () => {
    const made = capacityPage(page, fileOf(everyCost(10)));
    expect(made.match(/^\|---/gm)?.length).toBe(SECTIONS.length);
    expect(capacityPage(made, fileOf(everyCost(10)))).toBe(made);
  });

  it('changes with a cost', () => {
    expect(capacityPage(page, fileOf(everyCost(10)))).not.toBe(capacityPage(page, fileOf(everyCost(20))));
  });

  it('gives no figure that rests on what nobody has measured', () => {
    const file = fileOf(everyCost(123_456));
    const guessed = { ...file, costs: { ...file.costs, beatMs: { ...file.costs.beatMs, measured: false } } };
    expect(unmeasured(guessed)).toEqual(['beatMs']);
    const made = capacityPage(page, guessed);
    expect(made).not.toContain('123 456');
    expect(made.match(/Not measured: 1 of \d+ costs \(beatMs\)/g)?.length).toBe(SECTIONS.length - 2);
  });

  it('is refused without a place for a table', () => {
    expect(() => capacityPage(page.replace('<!-- loss -->', ''), fileOf(everyCost(10)))).toThrow('<!-- loss -->');
  });
});

describe('what docs/scaling.md says in words', () => {
  const costs = valuesOf(loadCosts());
  const plan = planOf();

  it('Postgres is the first of the shared parts to be full', () => {
    const full = (part: Part): number => saturationOf(costs, plan, part)?.connections ?? Infinity;
    expect(full('postgres')).toBeLessThan(Math.min(full('redis'), full('desk')));
  });

  it('receipts, typing, handshakes and joins together cost nodes and Redis more than messages', () => {
    const { node, redis } = useOf(costs, plan, nodesNeeded(costs, plan)!.nodes);
    for (const spending of [node.divided, redis.spending]) {
      // Redis has nothing to do with a handshake but its subscriptions, which are not in here.
      const of = (name: string): number => spending[name] ?? (name === 'handshakes' ? 0 : NaN);
      expect(of('receipts') + of('typing') + of('handshakes') + of('joins')).toBeGreaterThan(of('messages'));
    }
  });
});

describe('costs.json', () => {
  const text = readFileSync(COSTS_PATH, 'utf8');

  it('has every cost in its unit', () => {
    expect(() => readCosts(text)).not.toThrow();
  });

  it('is refused with a cost missing, unknown, negative or in another unit', () => {
    expect(() => readCosts(text.replace('"beatMs"', '"beatSeconds"'))).toThrow('beat');
    expect(() => readCosts(text.replace(/"value": [\d.]+/, '"value": -1'))).toThrow('costs.json');
    expect(() => readCosts(text.replace('"unit": "µs"', '"unit": "ms"'))).toThrow(
      'expected nodeCpuMicrosPerMessage in "µs", found "ms"',
    );
  });
});

describe('figures', () => {
  it('have no more digits than they are worth, and a unit', () => {
    expect([figure(1_234_567), figure(0.012345), figure(NaN)]).toEqual(['1 230 000', '0.0123', 'never']);
    expect([bytes(640), bytes(1_500), bytes(2.5e9)]).toEqual(['640 bytes', '1.5 KB', '2.5 GB']);
    expect([percent(0), percent(0.004), percent(1.5)]).toEqual(['0 %', '<1 %', '150 %']);
  });
});

describe('settings', () => {
  it('are refused out of their bounds, by the name of the option', () => {
    expect(() => planOf({ idleShare: 1.1 })).toThrow('idle-share: expected a number from 0 to 1, found 1.1');
    expect(() => planOf({ connections: NaN })).toThrow('connections');
    expect(optionOf('messagesPerConnectionHour')).toBe('messages-per-connection-hour');
  });
});
