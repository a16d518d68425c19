import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { secretKey } from '../../src/auth/keys.ts';
import { createTokens } from '../../src/auth/tokens.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { SETTING_NAMES } from '../../src/server/settings.ts';
import { runCli, startCli, temporaryFolder } from './run.ts';

const SECRET = 'a secret for tests, of at least 32 bytes';

const verify = (token: string, secret = SECRET) =>
  createTokens({ keys: { kind: 'secret', key: secretKey(secret) }, clockSkewSeconds: 5, clock: systemClock }).verify(
    token,
  );

describe('deskwire', () => {
  test('--help names every command and every setting', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const word of ['serve', 'token', 'spec', 'migrate', 'check-config', ...SETTING_NAMES]) {
      expect(stdout).toContain(word);
    }
  });

  test("--version is the package's", async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('an unknown command is refused on standard error', async () => {
    const { code, stdout, stderr } = await runCli(['sreve']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/sreve[^]*serve/);
  });
});

describe('deskwire token', () => {
  const env = { DESKWIRE_JWT_SECRET: SECRET };

  test('prints a token with all that was said, and nothing else', async () => {
    const flags = ['--role', 'agent', '--sub', 'bob', '--name', 'Bob', '--tenant', 'acme', '--ttl', '15m'];
    const lists = ['--department', 'a', '--department', 'b', '--skill', 'de', '--max-chats', '3'];
    const before = Date.now();
    const { code, stdout, stderr } = await runCli(['token', ...flags, ...lists], env);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { actor, expiresAt } = await verify(stdout.trim());
    expect(actor).toMatchObject({
      tenant: 'acme',
      user: { id: 'bob', name: 'Bob', role: 'agent' },
      departments: ['a', 'b'],
      skills: ['de'],
      maxChats: 3,
    });
    expect(expiresAt - before).toBeGreaterThan(14 * 60_000);
    expect(expiresAt - before).toBeLessThan(16 * 60_000);
  });

  test('lasts an hour when nothing else is said', async () => {
    const { stdout } = await runCli(['token', '--role', 'customer', '--sub', 'ann'], env);
    const { expiresAt } = await verify(stdout.trim());
    expect(Math.abs(expiresAt - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  test('without a key is signed with the secret of this machine, the same each time', async () => {
    const folder = temporaryFolder();
    const run = () => runCli(['token', '--role', 'customer', '--sub', 'ann'], { DATA_DIR: folder });
    const first = await run();
    const second = await run();
    const secret = readFileSync(join(folder, 'jwt-secret'), 'utf8').trim();
    for (const { stdout, stderr } of [first, second]) {
      await verify(stdout.trim(), secret);
      expect(stderr).toContain('jwt-secret');
      expect(stderr).not.toContain(secret);
    }
  });

  test('is refused where only a public key is configured', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    for (const [name, value] of [
      ['DESKWIRE_JWT_PUBLIC_KEY', pem],
      ['DESKWIRE_JWKS_URL', 'https://id.example/keys'],
    ] as const) {
      const { code, stdout, stderr } = await runCli(['token', '--role', 'bot', '--sub', 'b'], { [name]: value });
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain(name);
    }
  });

  test.each([
    [['--sub', 'x'], /--role/],
    [['--role', 'admin', '--sub', 'x'], /customer, agent, supervisor, bot/],
    [['--role', 'agent', '--sub', ''], /sub/],
    [['--role', 'agent', '--sub', 'x', '--ttl', '5'], /--ttl.*"5".*15m/],
    [['--role', 'agent', '--sub', 'x', '--max-chats', 'many'], /maxChats/],
  ])('%j is refused', async (flags, reason) => {
    const { code, stdout, stderr } = await runCli(['token', ...flags], env);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(reason);
  });
});

describe('deskwire check-config', () => {
  test('shows what would be used, secrets masked', async () => {
    const { code, stdout } = await runCli(['check-config'], { DESKWIRE_JWT_SECRET: SECRET, PORT: '8080' });
    expect(code).toBe(0);
    expect(stdout).toContain('PORT=8080 (environment)');
    expect(stdout).toContain('HOST=0.0.0.0 (default)');
    expect(stdout).not.toContain(SECRET);
  });

  test('shows addresses with their passwords masked', async () => {
    const { code, stdout } = await runCli(['check-config'], {
      DATABASE_URL: 'postgres://desk:hunter2@db:5432/desk',
      REDIS_URL: 'redis+sentinel://desk:hunter2@one:26379,two/main?sentinelPassword=hunter2',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('DATABASE_URL=postgres://desk:********@db:5432/desk (environment)');
    expect(stdout).toContain(
      'REDIS_URL=redis+sentinel://desk:********@one:26379,two/main?sentinelPassword=******** (environment)',
    );
    expect(stdout).not.toContain('hunter2');
  });

  test('lists everything that is wrong, and exits with 78', async () => {
    const env = { NODE_ENV: 'production', PORT: 'x', DESKWIRE_JWT_SECRET: 'hunter2', DESKWIRE_TYPO: 'hunter2' };
    const { code, stdout, stderr } = await runCli(['check-config'], env);
    expect(code).toBe(78);
    for (const name of ['PORT', 'DESKWIRE_JWT_SECRET', 'DESKWIRE_TYPO']) expect(stderr).toContain(`  ${name}: `);
    expect(stdout + stderr).not.toContain('hunter2');
  });
});

describe('deskwire spec', () => {
  test('prints, writes and checks the document', async () => {
    const file = join(temporaryFolder(), 'asyncapi.yaml');
    const { code, stdout } = await runCli(['spec']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^asyncapi: 3\.0\.0$/m);
    expect(await runCli(['spec', '--write', file])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    expect((await runCli(['spec', '--check', file])).code).toBe(0);

    const lines = stdout.split('\n');
    for (const changed of [lines.with(2, 'info: changed'), lines.slice(0, 2), [...lines, 'more: true']]) {
      writeFileSync(file, changed.join('\n'));
      const { code: changedCode, stderr } = await runCli(['spec', '--check', file]);
      expect(changedCode).toBe(1);
      expect(stderr).toMatch(/Line \d+: found .*; expected /);
    }
    expect((await runCli(['spec', '--check', `${file}.none`])).code).toBe(1);
  });

  test('a reader that closes the pipe is no failure', async () => {
    const { child, ended } = startCli(['spec']);
    child.stdout?.destroy();
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('deskwire migrate', () => {
  test('creates the database, and finds it up to date the next time', async () => {
    const folder = temporaryFolder();
    const env = { DATABASE_URL: `sqlite:${folder}/new/desk.db` };
    const first = await runCli(['migrate'], env);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/desk\.db: made, schema version \d+\.\n$/);
    expect(existsSync(join(folder, 'new/desk.db'))).toBe(true);
    expect((await runCli(['migrate'], env)).stdout).toContain('up to date');
  });

  test('says in one line why a file can not be used', async () => {
    const file = join(temporaryFolder(), 'other');
    writeFileSync(file, 'this is a text, and long enough to be taken for a database with a broken header'.repeat(20));
    const { code, stderr } = await runCli(['migrate'], { DATABASE_URL: `sqlite:${file}` });
    expect(code).toBe(1);
    expect(stderr).toMatch(/other is not a SQLite database.*\n$/);
  });
});
