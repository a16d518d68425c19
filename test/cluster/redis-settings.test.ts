import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { redisPlace } from '../../src/server/redis-settings.ts';
import { testFolder } from '../support/files.ts';

const PLAIN = { username: undefined, password: undefined, tls: undefined };
const SECRET = 'hunter2';

const problem = (value: string): string => {
  try {
    redisPlace(value);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected it to be refused');
};

describe('REDIS_URL', () => {
  it('names one server', () => {
    const single = { ...PLAIN, kind: 'single', endpoint: { host: 'redis', port: 6379 }, db: 0 };
    expect(redisPlace('redis://redis')).toEqual(single);
    expect(redisPlace('redis://redis/')).toEqual(single);
    expect(redisPlace('redis://10.0.0.1:7000/3')).toEqual({
      ...single,
      endpoint: { host: '10.0.0.1', port: 7000 },
      db: 3,
    });
    expect(redisPlace('redis://[::1]:7000')).toMatchObject({ endpoint: { host: '::1', port: 7000 } });
    expect(redisPlace('redis://desk:p%40ss%2F@redis')).toEqual({ ...single, username: 'desk', password: 'p@ss/' });
    expect(redisPlace('redis://:p:a@redis')).toEqual({ ...single, password: 'p:a' });
  });

  it('names sentinels and their master', () => {
    expect(redisPlace('redis+sentinel://desk:secret@one:1,two/main/2?sentinelPassword=s%26t')).toEqual({
      kind: 'sentinel',
      username: 'desk',
      password: 'secret',
      tls: undefined,
      sentinels: [
        { host: 'one', port: 1 },
        { host: 'two', port: 26_379 },
      ],
      masterName: 'main',
      sentinelCredentials: { username: undefined, password: 's&t' },
      db: 2,
    });
  });

  it('names nodes of a cluster', () => {
    const nodes = [
      { host: 'one', port: 7000 },
      { host: '::1', port: 6379 },
    ];
    expect(redisPlace('redis+cluster://one:7000,[::1]')).toEqual({ ...PLAIN, kind: 'cluster', nodes });
    expect(redisPlace('rediss+cluster://one:7000,[::1]/')).toMatchObject({
      kind: 'cluster',
      nodes,
      tls: { ca: undefined },
    });
  });

  it('takes an authority for TLS from a file', () => {
    const folder = testFolder();
    const ca = join(folder, 'ca.pem');
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    writeFileSync(ca, pem);
    const noPem = join(folder, 'other.pem');
    writeFileSync(noPem, 'something else');
    expect(redisPlace(`rediss://redis?ca=${ca}`)).toMatchObject({ kind: 'single', tls: { ca: pem } });
    expect(redisPlace('rediss+sentinel://one/main')).toMatchObject({ tls: { ca: undefined } });
    expect(problem(`rediss://redis?ca=${noPem}`)).toContain('holds no certificate');
    expect(problem(`rediss://redis?ca=${join(folder, 'none')}`)).toContain('ENOENT');
    expect(problem(`redis://redis?ca=${ca}`)).toContain('rediss');
  });

  it.each([
    ['localhost:6379', 'redis://host:6379'],
    ['http://localhost', 'redis://host:6379'],
    ['redis+sentinels://a/b', 'redis+sentinel://'],
    ['redis://', 'host:port'],
    ['redis://a:0', 'host:port'],
    ['redis://a:70000', 'host:port'],
    ['redis://a b', 'host:port'],
    [`redis://desk:x?${SECRET}@host`, '%3F'],
    [`redis://desk:${SECRET}#x@host:no`, '%23'],
    [`redis://desk:${SECRET}%zz@host`, '%25'],
    [`redis://${SECRET}@host`, 'redis://:secret@host'],
    ['redis://desk:@host', 'empty password'],
    ['redis://a/b', 'database'],
    ['redis://a/0/1', 'too long a path'],
    ['redis://a,b', 'redis+cluster://'],
    [`redis://:${SECRET}@a?db=3`, 'db'],
    ['redis+cluster://a/1', 'neither databases nor names'],
    ['redis+cluster://a,', 'host:port'],
    ['redis+sentinel://a', 'no name of a master'],
    ['redis+sentinel://a/', 'no name of a master'],
    ['redis+sentinel://a/m/x', 'database'],
    ['redis+sentinel://a/m/0/1', 'too long a path'],
  ])('refuses %s and says what was expected, without the password', (value, expected) => {
    const message = problem(value);
    expect(message).toContain(expected);
    expect(message).toMatch(/found .*expected/s);
    expect(message).not.toContain(SECRET);
  });
});
