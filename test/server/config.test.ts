import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS, LIMIT_NAMES, LIMITS } from '../../src/contract/limits.ts';
import { effectiveSettings, loadConfig } from '../../src/server/config.ts';
import { SETTING_NAMES, SETTINGS } from '../../src/server/settings.ts';
import { ConfigError } from '../../src/server/start-error.ts';

const SECRET = 'a secret for tests, of at least 32 bytes';
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PEM = ec.publicKey.export({ type: 'spki', format: 'pem' }).toString();

type Env = Record<string, string>;

const failure = (env: Env): ConfigError => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
};

describe('an empty environment', () => {
  test('gives a configuration for development', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      production: false,
      host: '0.0.0.0',
      port: 3000,
      dataDir: resolve('data'),
      database: { kind: 'sqlite', path: resolve('data/deskwire.db') },
      redis: undefined,
      keys: { kind: 'development' },
      tokens: { issuer: undefined, audience: undefined, clockSkewSeconds: 5 },
      allowedOrigins: [],
      visitors: { enabled: true, tenant: 'default', ttlSeconds: 86_400 },
      trustedProxyCount: 0,
      logLevel: 'info',
      warnings: [],
    });
    expect(config.limits).toEqual(DEFAULT_LIMITS);
  });

  test('and one of empty values are the same', () => {
    expect(loadConfig(Object.fromEntries(SETTING_NAMES.map((name) => [name, ''])))).toEqual(loadConfig({}));
  });

  test('each default is written as it could be set', () => {
    const env = Object.fromEntries(
      SETTING_NAMES.flatMap((name) => {
        const row: { default?: string } = SETTINGS[name];
        return row.default === undefined ? [] : [[name, row.default]];
      }),
    );
    expect(loadConfig(env)).toEqual(loadConfig({}));
  });

  test('is frozen all the way down', () => {
    const config = loadConfig({ DESKWIRE_ALLOWED_ORIGINS: 'https://a.example' });
    for (const part of [config, config.limits, config.visitors, config.tokens, config.allowedOrigins, config.keys]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('values that are taken', () => {
  test('the database stands in DATA_DIR unless it is said to stand elsewhere', () => {
    const pathOf = (env: Record<string, string>): unknown => {
      const { database } = loadConfig(env);
      return database.kind === 'sqlite' ? database.path : undefined;
    };
    expect(pathOf({ DATA_DIR: '/srv/x' })).toBe('/srv/x/deskwire.db');
    expect(pathOf({ DATA_DIR: '/srv/x', DATABASE_URL: 'sqlite:/y/z.db' })).toBe('/y/z.db');
    expect(pathOf({ DATABASE_URL: 'sqlite:///y/z.db' })).toBe('/y/z.db');
    expect(pathOf({ DATABASE_URL: 'sqlite:z.db' })).toBe(resolve('z.db'));
  });

  test('limits are set by name, the others stay', () => {
    const { limits } = loadConfig({ DESKWIRE_LIMITS: '{"textBytes":4096,"handshakesPerSecond":5}' });
    expect(limits).toEqual({ ...DEFAULT_LIMITS, textBytes: 4096, handshakesPerSecond: 5 });
  });

  test('origins are exact, in any number', () => {
    const { allowedOrigins } = loadConfig({
      DESKWIRE_ALLOWED_ORIGINS: ' https://a.example, http://localhost:5173,capacitor://app,https://a.example,',
    });
    expect(allowedOrigins).toEqual(['https://a.example', 'http://localhost:5173', 'capacitor://app']);
  });

  test('a public key comes as PEM, as PEM in one line, or as a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'deskwire-config-'));
    onTestFinished(() => {
      rmSync(folder, { recursive: true });
    });
    const file = join(folder, 'key.pem');
    writeFileSync(file, PEM);
    for (const value of [PEM, PEM.replaceAll('\n', '\\n'), file]) {
      expect(loadConfig({ DESKWIRE_JWT_PUBLIC_KEY: value }).keys).toMatchObject({
        kind: 'public-key',
        algorithm: 'ES256',
      });
    }
  });

  test('visitors are off, with the reason, where this server can not sign', () => {
    const config = loadConfig({ DESKWIRE_JWKS_URL: 'https://id.example/keys' });
    expect(config.visitors.enabled).toBe(false);
    expect(config.warnings.join()).toMatch(/visitors/i);
    expect(failure({ DESKWIRE_JWKS_URL: 'https://id.example/keys', DESKWIRE_VISITORS: 'on' }).message).toContain(
      'DESKWIRE_VISITORS',
    );
    expect(loadConfig({ DESKWIRE_JWKS_URL: 'https://id.example/keys', DESKWIRE_VISITORS: 'off' }).warnings).toEqual([]);
  });
});

describe('values that are refused, by name and with what was expected', () => {
  test.each<[string, string, RegExp]>([
    ['NODE_ENV', 'prod', /production, development, test/],
    ['PORT', '65536', /"65536".*0 to 65535/],
    ['PORT', '3000x', /"3000x"/],
    ['PORT', '-1', /"-1"/],
    ['HOST', 'a b', /host name/],
    ['DATABASE_URL', 'postgres://me:hunter2@db', /without a host or a database/],
    ['DATABASE_URL', 'mysql://me:hunter2@db/x', /sqlite:<path>/],
    ['DATABASE_URL', 'sqlite:', /sqlite:<path>/],
    ['DATABASE_URL', 'sqlite::memory:', /forget/],
    ['REDIS_URL', 'redis://me:hunter2@cache', /together with a SQLite store/],
    ['REDIS_URL', 'http://me:hunter2@cache', /redis\+sentinel/],
    ['DESKWIRE_JWT_SECRET', PEM, /DESKWIRE_JWT_PUBLIC_KEY/],
    ['DESKWIRE_JWT_PUBLIC_KEY', '/no/such/file', /ENOENT/],
    ['DESKWIRE_JWT_PUBLIC_KEY', '-----BEGIN PUBLIC KEY-----\nhunter2\n', /no public key/],
    ['DESKWIRE_JWKS_URL', 'ftp://id.example', /http/],
    ['DESKWIRE_JWKS_URL', 'https://me:hunter2@id.example', /without/],
    ['DESKWIRE_JWT_CLOCK_SKEW_SECONDS', '1.5', /whole number/],
    ['DESKWIRE_ALLOWED_ORIGINS', '*', /strangers/],
    ['DESKWIRE_ALLOWED_ORIGINS', 'https://a.example,https://*.b.example', /\*\.b\.example/],
    ['DESKWIRE_ALLOWED_ORIGINS', 'https://a.example/', /without a path/],
    ['DESKWIRE_ALLOWED_ORIGINS', 'a.example', /scheme/],
    ['DESKWIRE_ALLOWED_ORIGINS', 'https://A.example:443', /https:\/\/a\.example: write that/],
    ['DESKWIRE_LIMITS', 'x', /JSON object/],
    ['DESKWIRE_LIMITS', '[1]', /JSON object/],
    ['DESKWIRE_LIMITS', '{"texBytes":1}', /"texBytes".*textBytes/],
    ['DESKWIRE_LIMITS', '{"__proto__":1}', /"__proto__"/],
    ['DESKWIRE_LIMITS', '{"textBytes":"1"}', /textBytes = "1".*1 to 1048576/],
    ['DESKWIRE_LIMITS', '{"textBytes":0}', /textBytes = 0/],
    ['DESKWIRE_LIMITS', '{"textBytes":1.5,"typingMs":1}', /textBytes = 1\.5.*typingMs = 1/],
    ['DESKWIRE_VISITORS', 'yes', /on, off/],
    ['DESKWIRE_VISITOR_TTL', '24', /24h/],
    ['DESKWIRE_VISITOR_TTL', '1s', /1m to 365d/],
    ['DESKWIRE_TRUSTED_PROXIES', 'all', /whole number/],
    ['LOG_LEVEL', 'loud', /debug, info/],
    ['DESKWIRE_LIMIT', '{}', /no such setting.*DESKWIRE_LIMITS/],
  ])('%s=%j', (name, value, expected) => {
    const error = failure({ [name]: value });
    expect(error.exitCode).toBe(78);
    expect(error.problems.map((problem) => problem.setting)).toEqual([name]);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toContain('hunter2');
  });

  test('all at once, in one error', () => {
    const { problems } = failure({ PORT: 'x', LOG_LEVEL: 'y', DESKWIRE_TYPO: '1', NODE_ENV: 'production' });
    expect(problems.map((problem) => problem.setting).sort()).toEqual([
      'DESKWIRE_JWT_SECRET',
      'DESKWIRE_TYPO',
      'LOG_LEVEL',
      'PORT',
    ]);
  });

  test('a database that is not understood is not taken for SQLite, too', () => {
    const { problems } = failure({ DATABASE_URL: 'postgres://db', REDIS_URL: 'redis://cache' });
    expect(problems.map(({ setting }) => setting)).toEqual(['DATABASE_URL']);
    const explicit = failure({ DATABASE_URL: 'sqlite:x.db', REDIS_URL: 'redis://cache' });
    expect(explicit.problems.map(({ setting }) => setting)).toEqual(['REDIS_URL']);
  });

  test('two keys', () => {
    expect(failure({ DESKWIRE_JWT_SECRET: SECRET, DESKWIRE_JWKS_URL: 'https://x.example' }).message).toMatch(
      /DESKWIRE_JWT_SECRET, DESKWIRE_JWKS_URL: found together/,
    );
  });

  test('production without a key, or with a short one, which development is only warned about', () => {
    expect(failure({ NODE_ENV: 'production' }).message).toMatch(/DESKWIRE_JWT_SECRET.*openssl/);
    const short = { DESKWIRE_JWT_SECRET: 'hunter2' };
    const { message } = failure({ ...short, NODE_ENV: 'production' });
    expect(message).toMatch(/7 bytes.*32/);
    expect(message).not.toContain('hunter2');
    expect(loadConfig(short).warnings.join()).toMatch(/7 bytes/);
    expect(loadConfig({ NODE_ENV: 'production', DESKWIRE_JWT_SECRET: SECRET }).warnings).toEqual([]);
  });

  test.each(LIMIT_NAMES)('limit %s beyond its bounds', (name) => {
    for (const value of [-1, LIMITS[name].max + 1]) {
      expect(failure({ DESKWIRE_LIMITS: JSON.stringify({ [name]: value }) }).message).toContain(`${name} =`);
    }
  });
});

test('what is shown of the settings has no secret in it', () => {
  const shown = JSON.stringify(
    effectiveSettings({
      DESKWIRE_JWT_SECRET: 'hunter2',
      REDIS_URL: 'redis://hunter2@cache',
      DATABASE_URL: 'postgres://me:hunter2@a@db/x',
      DESKWIRE_JWT_PUBLIC_KEY: '-----BEGIN PRIVATE KEY-----hunter2',
    }),
  );
  expect(shown).not.toContain('hunter2');
  expect(shown).toContain('db/x');
});

test.each([
  ['REDIS_URL', 'redis://cache:6379/2', 'redis://cache:6379/2'],
  ['REDIS_URL', 'redis://desk:hunter2@cache', 'redis://desk:********@cache'],
  ['REDIS_URL', 'rediss://:hun:ter2@cache?ca=%CA%', 'rediss://:********@cache?ca=%CA%'],
  [
    'REDIS_URL',
    'redis+sentinel://desk:hunter2@a:1,b:2/main/3?sentinelUser=watch&sentinelPassword=hunter2',
    'redis+sentinel://desk:********@a:1,b:2/main/3?sentinelUser=watch&sentinelPassword=********',
  ],
  [
    'REDIS_URL',
    'redis+sentinel://a/main?sentinel%50assword=hunter2',
    'redis+sentinel://a/main?sentinel%50assword=********',
  ],
  ['REDIS_URL', 'redis://desk:x?hunter2@cache', '********'],
  ['REDIS_URL', 'redis://hunter2@cache', '********'],
  [
    'DATABASE_URL',
    'postgres://desk:hunter2@db:5432/x?sslmode=require',
    'postgres://desk:********@db:5432/x?sslmode=require',
  ],
  ['DATABASE_URL', 'postgres://desk:a@hunter2@db/x', 'postgres://desk:********@db/x'],
  ['DATABASE_URL', 'postgres://desk@db/x?password=a@hunter2#hunter2', 'postgres://desk@db/x?password=********'],
  ['DATABASE_URL', 'postgres://desk:1/a?hunter2@db/x', 'postgres://desk:********@db/x'],
  ['DATABASE_URL', 'postgres://desk:hunter2@db', 'postgres://********@db'],
  ['DATABASE_URL', 'postgres://db?password=hunter2', 'postgres://db?password=********'],
  ['DATABASE_URL', 'sqlite:/srv/x.db', 'sqlite:/srv/x.db'],
] as const)('%s=%s is shown with its passwords masked alone', (name, value, expected) => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-config-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const shown = effectiveSettings({ [name]: value.replace('%CA%', ca) }).find((setting) => setting.name === name);
  expect(shown?.value).toBe(expected.replace('%CA%', ca));
});
