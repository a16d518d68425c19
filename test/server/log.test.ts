import { expect, test } from 'vitest';
import { createLog } from '../../src/server/log.ts';

const record = (level: 'debug' | 'info') => {
  const lines: string[] = [];
  return { lines, log: createLog({ level, destination: { write: (line) => void lines.push(line) } }) };
};

test('a line is JSON with a level, a time and a message; lower levels are left out', () => {
  const { lines, log } = record('info');
  log.debug({}, 'not shown');
  log.info({ url: 'http://x' }, 'listening');
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] ?? '') as Record<string, string>;
  expect(line).toMatchObject({ level: 'info', msg: 'listening', url: 'http://x' });
  expect(new Date(line['time'] ?? '').toISOString()).toBe(line['time']);
});

test('what must not be logged is not, should it be passed after all', () => {
  const { lines, log } = record('debug');
  log.warn({ token: 'hunter2', payload: { text: 'hunter2' }, request: { headers: { authorization: 'hunter2' } } }, 'x');
  log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'y');
  expect(lines.join()).not.toContain('hunter2');
  expect(lines[1]).toContain('inner');
});
