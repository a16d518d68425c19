import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seedOf } from '../support/random.ts';
import { DrivenQueue, type DrivenRequest, type Kind } from './driven-queue.ts';

const seed = seedOf(Date.now() % 2 ** 31);

/** Requests of these kinds, all sent at once. */
const queueOf = (...kinds: Kind[]): DrivenQueue => {
  const driven = new DrivenQueue();
  for (const kind of kinds) driven.add(kind);
  return driven;
};

const requestOf = (driven: DrivenQueue, index: number): DrivenRequest => {
  const request = driven.requests[index];
  if (request === undefined) throw new Error(`there is no request ${String(index)}`);
  return request;
};

describe('the requests of a connection', () => {
  it('[REQ-2] one that goes alone waits for all before it, and all after it wait', () => {
    const driven = queueOf('pipelined', 'alone', 'pipelined', 'alone');
    expect(driven.started()).toEqual([true, false, false, false]);
    requestOf(driven, 0).place();
    expect(driven.started()).toEqual([true, false, false, false]);
    requestOf(driven, 0).end();
    expect(driven.started()).toEqual([true, true, false, false]);
    // Having a place is not being over.
    requestOf(driven, 1).place();
    expect(driven.started()).toEqual([true, true, false, false]);
    requestOf(driven, 1).end();
    expect(driven.started()).toEqual([true, true, true, false]);
    requestOf(driven, 2).end();
    expect(driven.started()).toEqual([true, true, true, true]);
  });

  it('[REQ-2] pipelined ones overlap, each once the one before it has its place or is over', () => {
    const driven = queueOf('pipelined', 'pipelined', 'pipelined');
    expect(driven.started()).toEqual([true, false, false]);
    requestOf(driven, 0).place();
    expect(driven.started()).toEqual([true, true, false]);
    requestOf(driven, 0).place();
    requestOf(driven, 0).end();
    expect(driven.started()).toEqual([true, true, false]);
    requestOf(driven, 1).end();
    expect(driven.started()).toEqual([true, true, true]);
  });

  it('[REQ-2] one that goes aside holds up nothing once it has its place, not even one that goes alone', () => {
    const driven = queueOf('aside', 'aside', 'alone', 'pipelined');
    expect(driven.started()).toEqual([true, false, false, false]);
    requestOf(driven, 0).place();
    expect(driven.started()).toEqual([true, true, false, false]);
    requestOf(driven, 1).place();
    expect(driven.started()).toEqual([true, true, true, false]);
    // Ending aside lets nobody past the one that has the connection for itself.
    requestOf(driven, 0).end();
    requestOf(driven, 1).end();
    expect(driven.started()).toEqual([true, true, true, false]);
    requestOf(driven, 2).end();
    expect(driven.started()).toEqual([true, true, true, true]);
  });

  it('[REQ-2] one that goes aside waits for one that goes alone, and for the place of the one before it', () => {
    const driven = queueOf('alone', 'aside', 'aside', 'pipelined');
    requestOf(driven, 0).place();
    expect(driven.started()).toEqual([true, false, false, false]);
    requestOf(driven, 0).end();
    expect(driven.started()).toEqual([true, true, false, false]);
    requestOf(driven, 1).place();
    expect(driven.started()).toEqual([true, true, true, false]);
    requestOf(driven, 2).place();
    expect(driven.started()).toEqual([true, true, true, true]);
  });

  it('[REQ-2] one that goes aside and ends without a place lets the next start, and a place that comes too late nothing', () => {
    const driven = queueOf('aside', 'aside', 'alone', 'alone');
    requestOf(driven, 0).end();
    expect(driven.started()).toEqual([true, true, false, false]);
    requestOf(driven, 0).place();
    expect(driven.started()).toEqual([true, true, false, false]);
    requestOf(driven, 1).end();
    expect(driven.started()).toEqual([true, true, true, false]);
    requestOf(driven, 1).place();
    expect(driven.started()).toEqual([true, true, true, false]);
    expect(driven.queue.size).toBe(2);
  });

  it('[REQ-5] all that are not over are counted, whatever they wait for', () => {
    const driven = queueOf('aside', 'aside', 'pipelined', 'alone', 'aside');
    expect(driven.queue.size).toBe(5);
    requestOf(driven, 0).place();
    requestOf(driven, 1).place();
    expect(driven.queue.size).toBe(5);
    requestOf(driven, 0).end();
    requestOf(driven, 2).end();
    expect(driven.queue.size).toBe(3);
    requestOf(driven, 3).end();
    requestOf(driven, 1).end();
    expect(driven.queue.size).toBe(1);
    requestOf(driven, 4).place();
    requestOf(driven, 4).end();
    expect(driven.queue.size).toBe(0);
  });

  it('[REQ-2] that end at once, one within the other, are each started once', () => {
    const driven = new DrivenQueue();
    let started = 0;
    const first = driven.add('alone');
    for (let count = 0; count < 200; count += 1) {
      driven.queue.add({
        pipelined: count % 3 !== 0,
        aside: count % 3 === 2,
        run: (sequenced, finished) => {
          started += 1;
          sequenced();
          finished();
        },
      });
    }
    expect([started, driven.queue.size]).toEqual([0, 201]);
    first.end();
    expect([started, driven.queue.size]).toEqual([200, 0]);
  });
});

/** What holds others up: it has started, is not over, and has not gone aside. */
const holdsUp = ({ kind, started, placed, over }: DrivenRequest): boolean =>
  started && !over && !(kind === 'aside' && placed);

/** Whether the first that waits should have been started. */
const isStuck = ({ requests }: DrivenQueue): boolean => {
  const next = requests.find(({ started }) => !started);
  if (next === undefined) return false;
  const before = requests.filter(holdsUp);
  if (next.kind === 'alone') return before.length === 0;
  return before.every(({ kind, placed }) => kind !== 'alone' && placed);
};

const isOvertaken = ({ order }: DrivenQueue): boolean => order.some((index, place) => index !== place);

describe('the requests of a connection, at random', () => {
  // Those that go alone are rarer: between them others are to come together.
  const step = fc.record({
    what: fc.constantFrom('add', 'add', 'place', 'place', 'end'),
    kind: fc.constantFrom<Kind[]>('pipelined', 'pipelined', 'pipelined', 'aside', 'aside', 'alone'),
    which: fc.nat(),
  });

  it('[REQ-2] start in order, none too early and none too late, and are all counted', () => {
    const most = { beside: 0, aside: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), (steps) => {
        const driven = new DrivenQueue();
        const before = new Set<DrivenRequest>();
        const running = (): DrivenRequest[] => driven.requests.filter(({ started, over }) => started && !over);
        const check = (): void => {
          const holding = driven.requests.filter(holdsUp);
          // Of what was started in this step each was allowed to: alone beside nothing else, others beside what has its place.
          const fresh = driven.requests.filter((request) => request.started && !before.has(request));
          for (const request of fresh) {
            before.add(request);
            const others = holding.filter((other) => other !== request);
            if (request.kind === 'alone') expect(others).toEqual([]);
            else expect(others.every(({ kind, placed }) => kind !== 'alone' && placed)).toBe(true);
          }
          most.beside = Math.max(most.beside, holding.length);
          most.aside = Math.max(most.aside, running().length - holding.length);
          expect(isStuck(driven), 'one that may start waits').toBe(false);
          expect(isOvertaken(driven), 'one was started before another that came earlier').toBe(false);
          expect(driven.queue.size).toBe(driven.requests.filter(({ over }) => !over).length);
        };
        for (const { what, kind, which } of steps) {
          const choice = running().filter(({ placed }) => what === 'end' || !placed);
          const request = choice[which % Math.max(choice.length, 1)];
          if (what === 'add' || request === undefined) driven.add(kind);
          else if (what === 'place') request.place();
          else request.end();
          check();
        }
        for (let [request] = running(); request !== undefined; [request] = running()) {
          request.end();
          check();
        }
        expect(driven.queue.size).toBe(0);
        expect(driven.order).toHaveLength(driven.requests.length);
      }),
      { seed, numRuns: 400 },
    );
    // Else nothing of this was put to the test.
    expect(most.beside).toBeGreaterThan(3);
    expect(most.aside).toBeGreaterThan(3);
  });
});
