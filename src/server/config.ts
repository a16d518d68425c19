import { join } from 'node:path';
import { MIN_SECRET_BYTES, secretKey, type KeySource } from '../auth/keys.ts';
import { DEFAULT_LIMITS, type Limits } from '../contract/limits.ts';
import type { DepartmentTable } from '../core/departments.ts';
import type { StrategyName } from '../core/routing/strategies.ts';
import type { RedisPlace } from '../cluster/redis-place.ts';
import { type DatabasePlace, SETTING_NAMES, SETTINGS, type SettingName, type SettingValue } from './settings.ts';
import { ConfigError, type ConfigProblem } from './start-error.ts';

/** What the environment says, validated, and frozen. */
export interface Config {
  readonly production: boolean;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absolute; it may not exist yet. */
  readonly dataDir: string;
  readonly database: DatabasePlace;
  /** undefined: nodes have nothing to tell each other by. */
  readonly redis: RedisPlace | undefined;
  /** `development`: none is configured, and `resolveKeys` makes one that stays on this machine. */
  readonly keys: KeySource | { readonly kind: 'development' };
  readonly tokens: {
    readonly issuer: string | undefined;
    readonly audience: string | undefined;
    readonly clockSkewSeconds: number;
  };
  readonly allowedOrigins: readonly string[];
  readonly limits: Limits;
  /** Where clients reach this server, without a slash at its end; empty: not said. */
  readonly publicUrl: string;
  /** Where attachments are kept; a folder is absolute, and may not exist yet. */
  readonly attachments: SettingValue<'ATTACHMENTS_URL'>;
  readonly attachmentTypes: readonly string[];
  readonly scanner:
    | {
        readonly kind: 'command';
        readonly command: SettingValue<'ATTACHMENTS_SCAN_COMMAND'>;
        /** No secret of the server's is in it. */
        readonly environment: Environment;
      }
    | { readonly kind: 'clamd'; readonly address: SettingValue<'ATTACHMENTS_CLAMD'> }
    | undefined;
  readonly visitors: {
    readonly enabled: boolean;
    readonly tenant: string;
    readonly ttlSeconds: number;
  };
  /** By name, and what holds without one under `NO_DEPARTMENT`; empty: all are open always and on their own. */
  readonly departments: DepartmentTable;
  readonly routing: StrategyName;
  /** What a customer's message into a closed conversation does. */
  readonly closedConversations: SettingValue<'DESKWIRE_CLOSED_CONVERSATIONS'>;
  readonly inactivityMessage: string;
  readonly trustedProxyCount: number;
  readonly logLevel: SettingValue<'LOG_LEVEL'>;
  /** Sentences that the start should log: allowed, but hardly meant. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;
type Values = { [N in SettingName]: SettingValue<N> | undefined };

const KEY_SETTINGS = ['DESKWIRE_JWT_SECRET', 'DESKWIRE_JWT_PUBLIC_KEY', 'DESKWIRE_JWKS_URL'] as const;
const DATABASE_FILE = 'deskwire.db';
const PREFIXES = ['DESKWIRE_', 'ATTACHMENTS_'];
/** What a scanner may need to find its parts. */
const SCANNER_ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ'];
const ATTACHMENTS_FOLDER = 'attachments';
/** A chunk's own fields, and what frames them. */
const CHUNK_OVERHEAD_BYTES = 1_024;

/** The value as it is written; an empty one counts as not set, because that is how many tools unset one. */
const written = (env: Environment, name: SettingName): string | undefined => {
  const value = env[name];
  if (value !== undefined && value.trim() !== '') return value;
  return undefined;
};

const fallback = (name: SettingName): string | undefined => {
  const row: { default?: string } = SETTINGS[name];
  return row.default;
};

const isSecret = (name: SettingName): boolean => {
  const row: { secret?: boolean } = SETTINGS[name];
  return row.secret === true;
};

const MASK = '********';

/** Masks options such as sentinelPassword. */
const maskOptions = (address: string): string =>
  address.replace(/([?&])([^=&]*)=([^&]*)/g, (option, mark: string, name: string) =>
    // The name may be written with %XX, too.
    /pass/i.test(new URLSearchParams(`${name}=`).toString()) ? `${mark}${name}=${MASK}` : option,
  );

/** An address with its passwords masked: what stands between a user and the last @, and in options. */
const withoutPasswords = (address: string): string =>
  maskOptions(address).replace(/\/\/(.*)@/s, (_, credentials: string) => {
    const [, user, colon] = /^([^:@/?#]*)(?:(:).*)?$/s.exec(credentials) ?? [];
    if (user === undefined) return `//${MASK}@`;
    return colon === undefined ? `//${user}@` : `//${user}:${MASK}@`;
  });

/** Passwords stand in addresses, and a PEM is longer than anybody wants to read. */
const shown = (name: SettingName, value: string): string => {
  // Of an address that can't be read it is not known where the password is.
  if (name === 'REDIS_URL' && SETTINGS[name].schema.safeParse(value).success) return withoutPasswords(value);
  if (isSecret(name)) return MASK;
  if (name === 'DATABASE_URL' && SETTINGS[name].schema.safeParse(value).success) return withoutPasswords(value);
  if (value.startsWith('-----BEGIN')) return '-----BEGIN…';
  return maskOptions(value).replace(/\/\/.*@/s, `//${MASK}@`);
};

/** A step on the way into a value; in quotes where its own letters would blur where it ends. */
const segment = (key: PropertyKey): string => {
  const name = String(key);
  return /^[\p{L}\p{N}_*-]+$/u.test(name) ? name : JSON.stringify(name);
};

const readValues = (env: Environment, problems: ConfigProblem[]): Values => {
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of SETTING_NAMES) {
    const value = written(env, name) ?? fallback(name);
    if (value === undefined) continue;
    const parsed = SETTINGS[name].schema.safeParse(value);
    if (parsed.success) {
      values[name] = parsed.data;
      continue;
    }
    for (const { path, message } of parsed.error.issues) {
      const place = path.length === 0 ? '' : `${path.map(segment).join('.')}: `;
      const found =
        isSecret(name) || message.startsWith('found ') ? '' : `found ${JSON.stringify(shown(name, value))}; `;
      problems.push({ setting: name, message: `${place}${found}${message}.` });
    }
  }
  return values as Values;
};

const checkNames = (env: Environment, problems: ConfigProblem[]): void => {
  const isOurs = (name: string): boolean => PREFIXES.some((prefix) => name.startsWith(prefix));
  const known = SETTING_NAMES.filter(isOurs);
  for (const name of Object.keys(env).sort()) {
    if (!isOurs(name) || known.some((candidate) => candidate === name)) continue;
    problems.push({
      setting: name,
      message: `found, but there is no such setting; expected one of ${known.join(', ')}.`,
    });
  }
};

const chooseKeys = (
  env: Environment,
  values: Values,
  problems: ConfigProblem[],
  warnings: string[],
): Config['keys'] => {
  const production = values.NODE_ENV === 'production';
  const set = KEY_SETTINGS.filter((name) => written(env, name) !== undefined);
  if (set.length > 1) {
    problems.push({ setting: set.join(', '), message: 'found together; expected one of them. Unset the others.' });
  }
  if (set.length === 0 && production) {
    problems.push({
      setting: 'DESKWIRE_JWT_SECRET',
      message:
        'found no key, and in production tokens must be verified. Set DESKWIRE_JWT_SECRET (for example from `openssl rand -base64 48`), DESKWIRE_JWT_PUBLIC_KEY or DESKWIRE_JWKS_URL.',
    });
  }
  const secret = values.DESKWIRE_JWT_SECRET;
  if (secret !== undefined) {
    const bytes = Buffer.byteLength(secret);
    if (bytes < MIN_SECRET_BYTES) {
      const message = `found a secret of ${String(bytes)} bytes; expected at least ${String(MIN_SECRET_BYTES)} (RFC 7518 §3.2). Make one with \`openssl rand -base64 48\`.`;
      if (production) problems.push({ setting: 'DESKWIRE_JWT_SECRET', message });
      else warnings.push(`DESKWIRE_JWT_SECRET: ${message}`);
    }
    return { kind: 'secret', key: secretKey(secret) };
  }
  if (values.DESKWIRE_JWT_PUBLIC_KEY !== undefined) return { kind: 'public-key', ...values.DESKWIRE_JWT_PUBLIC_KEY };
  if (values.DESKWIRE_JWKS_URL !== undefined) {
    if (production && values.DESKWIRE_JWKS_URL.startsWith('http:')) {
      warnings.push('DESKWIRE_JWKS_URL: keys come over plain http, where whoever is on the way can change them.');
    }
    return { kind: 'jwks', url: values.DESKWIRE_JWKS_URL };
  }
  return { kind: 'development' };
};

const chooseScanner = (env: Environment, values: Values, problems: ConfigProblem[]): Config['scanner'] => {
  const { ATTACHMENTS_SCAN_COMMAND: command, ATTACHMENTS_CLAMD: address } = values;
  if (command !== undefined && address !== undefined) {
    problems.push({
      setting: 'ATTACHMENTS_SCAN_COMMAND, ATTACHMENTS_CLAMD',
      message: 'found together; expected one of them. Unset the other.',
    });
  }
  const environment = Object.fromEntries(SCANNER_ENVIRONMENT.map((name) => [name, env[name]]));
  if (command !== undefined) return { kind: 'command', command, environment };
  return address === undefined ? undefined : { kind: 'clamd', address };
};

const chooseLimits = (values: Values, problems: ConfigProblem[]): Limits => {
  const limits = { ...DEFAULT_LIMITS, ...values.DESKWIRE_LIMITS };
  if (limits.chunkBytes + CHUNK_OVERHEAD_BYTES > limits.payloadBytes) {
    problems.push({
      setting: 'DESKWIRE_LIMITS',
      message: `found chunkBytes = ${String(limits.chunkBytes)} with payloadBytes = ${String(limits.payloadBytes)}; expected payloadBytes to be at least ${String(CHUNK_OVERHEAD_BYTES)} more, because a chunk is a request.`,
    });
  }
  return limits;
};

const chooseDatabase = (env: Environment, values: Values, problems: ConfigProblem[]): DatabasePlace => {
  const isSet = written(env, 'DATABASE_URL') !== undefined;
  const configured = isSet ? values.DATABASE_URL : undefined;
  const database = configured ?? { kind: 'sqlite', path: join(values.DATA_DIR ?? '', DATABASE_FILE) };
  // What an invalid address was meant to be is not known, and it is a problem of its own already.
  const isMeant = configured !== undefined || !isSet;
  if (values.REDIS_URL !== undefined && isMeant && database.kind === 'sqlite') {
    problems.push({
      setting: 'REDIS_URL',
      message:
        'found together with a SQLite store, which one node alone can use, so that there is nobody to tell anything. Set DATABASE_URL to a Postgres address, or unset REDIS_URL.',
    });
  }
  return database;
};

const chooseVisitors = (
  env: Environment,
  values: Values,
  keys: Config['keys'],
  problems: ConfigProblem[],
  warnings: string[],
): Config['visitors'] => {
  const canSign = keys.kind === 'secret' || keys.kind === 'development';
  const wanted = values.DESKWIRE_VISITORS === 'on';
  if (wanted && !canSign) {
    const reason =
      "visitors need a token that this server signs, and it has only the public half of somebody else's key";
    if (written(env, 'DESKWIRE_VISITORS') === undefined) warnings.push(`Visitors are off: ${reason}.`);
    else
      problems.push({
        setting: 'DESKWIRE_VISITORS',
        message: `found "on", but ${reason}. Set DESKWIRE_JWT_SECRET instead, or DESKWIRE_VISITORS=off.`,
      });
  }
  return {
    enabled: wanted && canSign,
    tenant: values.DESKWIRE_VISITOR_TENANT ?? '',
    ttlSeconds: Math.floor((values.DESKWIRE_VISITOR_TTL ?? 0) / 1000),
  };
};

/** Freezes plain objects and arrays, all the way down. A KeyObject keeps a cache in itself and can't be frozen. */
const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
};

/**
 * Reads the whole environment, once; nothing else in the program reads it.
 * @throws ConfigError that lists everything that is wrong.
 */
export const loadConfig = (env: Environment): Config => {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const values = readValues(env, problems);
  checkNames(env, problems);
  const keys = chooseKeys(env, values, problems, warnings);
  const visitors = chooseVisitors(env, values, keys, problems, warnings);
  const scanner = chooseScanner(env, values, problems);
  const limits = chooseLimits(values, problems);
  const database = chooseDatabase(env, values, problems);
  if (problems.length > 0) throw new ConfigError(problems);

  // Without problems each setting that has a default has a value; the fallbacks only tell the compiler so.
  const dataDir = values.DATA_DIR ?? '';
  return deepFreeze<Config>({
    production: values.NODE_ENV === 'production',
    host: values.HOST ?? '',
    port: values.PORT ?? 0,
    dataDir,
    database,
    redis: values.REDIS_URL,
    keys,
    tokens: {
      issuer: values.DESKWIRE_JWT_ISSUER,
      audience: values.DESKWIRE_JWT_AUDIENCE,
      clockSkewSeconds: values.DESKWIRE_JWT_CLOCK_SKEW_SECONDS ?? 0,
    },
    allowedOrigins: values.DESKWIRE_ALLOWED_ORIGINS ?? [],
    limits,
    publicUrl: values.DESKWIRE_PUBLIC_URL ?? '',
    attachments: (written(env, 'ATTACHMENTS_URL') === undefined ? undefined : values.ATTACHMENTS_URL) ?? {
      kind: 'disk',
      folder: join(dataDir, ATTACHMENTS_FOLDER),
    },
    attachmentTypes: values.ATTACHMENTS_TYPES ?? [],
    scanner,
    visitors,
    departments: values.DESKWIRE_DEPARTMENTS ?? {},
    routing: values.DESKWIRE_ROUTING ?? 'least-busy',
    closedConversations: values.DESKWIRE_CLOSED_CONVERSATIONS ?? 'reopen',
    inactivityMessage: values.DESKWIRE_INACTIVITY_MESSAGE ?? '',
    trustedProxyCount: values.DESKWIRE_TRUSTED_PROXIES ?? 0,
    logLevel: values.LOG_LEVEL ?? 'info',
    warnings,
  });
};

export interface EffectiveSetting {
  readonly name: SettingName;
  /** Safe to show; undefined: not set and without a default. */
  readonly value: string | undefined;
  readonly source: 'environment' | 'default' | 'not set';
}

/** Every setting as it would be used, secrets masked, whether right or wrong. */
export const effectiveSettings = (env: Environment): EffectiveSetting[] => {
  const dataDir = written(env, 'DATA_DIR') ?? fallback('DATA_DIR') ?? '';
  return SETTING_NAMES.map((name) => {
    const own = written(env, name);
    if (own !== undefined) return { name, value: shown(name, own), source: 'environment' };
    const value =
      name === 'DATABASE_URL'
        ? `sqlite:${join(dataDir, DATABASE_FILE)}`
        : name === 'ATTACHMENTS_URL'
          ? `file:${join(dataDir, ATTACHMENTS_FOLDER)}`
          : fallback(name);
    return { name, value, source: value === undefined ? 'not set' : 'default' };
  });
};
