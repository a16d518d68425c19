import { describe, expect, it } from 'vitest';
import { gatheredReads } from '../../src/store/postgres/gathered-reads.ts';
import { nextTurn } from './checks.ts';

/** A reader whose statements are answered when the test says so. */
const scene = () => {
  const statements: { queries: readonly number[]; answer: () => void; fail: (why: Error) => void }[] = [];
  const read = gatheredReads(
    (queries: readonly number[]) =>
      new Promise<readonly string[]>((resolve, reject) => {
        statements.push({
          queries,
          answer: () => resolve(queries.map((query) => `answer ${String(query)}`)),
          fail: reject,
        });
      }),
  );
  const gathered = (): (readonly number[])[] => statements.map(({ queries }) => queries);
  return { read, statements, gathered };
};

describe('reads that are gathered', () => {
  it('are one statement when they are asked for in one turn, each with its own answer', async () => {
    const { read, statements, gathered } = scene();
    const answers = Promise.all([read(1), read(2), read(1)]);
    await nextTurn();
    expect(gathered()).toEqual([[1, 2, 1]]);
    statements[0]?.answer();
    expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 1']);
  });

  it('wait for one of two statements to end, and are the next one then', async () => {
    const { read, statements, gathered } = scene();
    const answers: Promise<string>[] = [];
    for (const query of [1, 2, 3, 4, 5]) {
      answers.push(read(query));
      await nextTurn();
    }
    expect(gathered()).toEqual([[1], [2]]);
    statements[1]?.answer();
    expect(await answers[1]).toBe('answer 2');
    await nextTurn();
    expect(gathered()).toEqual([[1], [2], [3, 4, 5]]);
    for (const { answer } of statements) answer();
    expect(await Promise.all(answers)).toHaveLength(5);
  });

  it('are no more than 16 in one statement', async () => {
    const { read, statements, gathered } = scene();
    const answers = Array.from({ length: 34 }, (_, query) => read(query));
    await nextTurn();
    expect(gathered().map(({ length }) => length)).toEqual([16, 16]);
    for (const { answer } of statements) answer();
    await Promise.all(answers.slice(0, 32));
    await nextTurn();
    statements[2]?.answer();
    expect(await answers[33]).toBe('answer 33');
  });

  it('fail together with their statement, and others do not', async () => {
    const { read, statements } = scene();
    const failing = Promise.allSettled([read(1), read(2)]);
    await nextTurn();
    const other = read(3);
    await nextTurn();
    statements[0]?.fail(new Error('gone'));
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    statements[1]?.answer();
    expect(await other).toBe('answer 3');
    const next = read(4);
    await nextTurn();
    statements[2]?.answer();
    expect(await next).toBe('answer 4');
  });
});
