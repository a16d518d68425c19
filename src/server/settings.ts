import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { publicKey, type PinnedKey } from '../auth/keys.ts';
import { LIMIT_NAMES, LIMITS, type LimitName } from '../contract/limits.ts';
import { id } from '../contract/text.ts';
import { ROUTING_STRATEGIES } from '../contract/schemas.ts';
import { acceptedTypes, attachmentsPlace, clamdAddress, DEFAULT_ATTACHMENT_TYPES } from './attachment-settings.ts';
import { departmentsText } from './departments.ts';
import { DURATION_FORMAT, parseDuration } from './duration.ts';
import { redisPlace } from './redis-settings.ts';

interface Setting<T> {
  /** As it would be written in the environment; undefined: not set. */
  readonly default?: string;
  readonly description: string;
  /** Its value is never shown. @default false */
  readonly secret?: boolean;
  /** From text. An issue's message says what was expected, or, starting with "found", the whole sentence. */
  readonly schema: z.ZodType<T, string>;
}

const setting = <T>(row: Setting<T>): Setting<T> => row;

/** A text that `read` turns into a value; what it throws becomes the issue. */
const text = <T>(read: (value: string) => T): z.ZodType<T, string> =>
  z.string().transform((value, context) => {
    try {
      return read(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

const wholeNumber = (min: number, max: number) =>
  text((value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new Error(`expected a whole number from ${String(min)} to ${String(max)}`);
  });

const oneOf = <const V extends string>(values: readonly V[]) =>
  text((value): V => {
    const found = values.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw new Error(`expected one of ${values.join(', ')}`);
  });

const webUrl = text((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Error('expected an http:// or https:// address');
  if (url.username !== '' || url.password !== '') {
    throw new Error('found an address with a user name or password in it; expected one without');
  }
  return value;
});

/** Where the store is. */
export type DatabasePlace =
  | {
      readonly kind: 'sqlite';
      /** Absolute path of the file; its folder may not exist yet. */
      readonly path: string;
    }
  | {
      readonly kind: 'postgres';
      /** With the password, if there is one. */
      readonly url: string;
    };

const DATABASE_EXAMPLES =
  'sqlite:<path>, such as sqlite:./data/deskwire.db, or postgres://user:password@host:5432/database';

const databasePlace = text((value): DatabasePlace => {
  if (/^postgres(ql)?:/.test(value)) {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined || url.pathname.length < 2) {
      throw new Error(
        'found a Postgres address without a host or a database; expected postgres://user:password@host:5432/database (in user and password, write special characters as %XX)',
      );
    }
    return { kind: 'postgres', url: value };
  }
  // Both sqlite:./x and the longer sqlite:///x are in use elsewhere.
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(value)?.[1];
  if (path === undefined) throw new Error(`expected ${DATABASE_EXAMPLES}`);
  if (path.startsWith(':memory:')) {
    throw new Error(
      'found a database in memory, which would forget what was acknowledged; expected the path of a file',
    );
  }
  return { kind: 'sqlite', path: resolve(path) };
});

const origin = (value: string): string => {
  if (value === '*' || value === 'null') {
    throw new Error(
      `found ${value}, which would let pages of strangers use this server in their visitors' name; expected each origin by itself`,
    );
  }
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/\s?#@*]+$/i.test(value)) {
    throw new Error(`found ${value}; expected scheme://host or scheme://host:port, without a path`);
  }
  // Browsers send an origin in one form only, and it is compared letter by letter (RFC 6454 §6.2).
  const normal = URL.canParse(value) ? new URL(value).origin : undefined;
  if (normal === undefined) throw new Error(`found ${value}; expected scheme://host or scheme://host:port`);
  if (normal !== 'null' && normal !== value)
    throw new Error(`found ${value}; browsers send it as ${normal}: write that`);
  return value;
};

const pemOrFile = text((value): PinnedKey => {
  // An environment file holds one line a setting, so the line ends of a PEM often come written out.
  if (value.startsWith('-----BEGIN')) return publicKey(value.replaceAll('\\n', '\n'));
  let pem: string;
  try {
    pem = readFileSync(value, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `found neither a PEM text nor a file that can be read (${code ?? 'unreadable'}); expected one of the two`,
      { cause: error },
    );
  }
  return publicKey(pem);
});

const limitOverrides = text((value): Partial<Record<LimitName, number>> => {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch (error) {
    throw new Error('expected a JSON object such as {"textBytes":4096}', { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error('expected a JSON object such as {"textBytes":4096}');
  }
  const overrides: Partial<Record<LimitName, number>> = {};
  const problems: string[] = [];
  for (const [name, number] of Object.entries(json as Record<string, unknown>)) {
    const known = LIMIT_NAMES.find((candidate) => candidate === name);
    if (known === undefined) {
      problems.push(`found the unknown limit ${JSON.stringify(name)}; expected one of ${LIMIT_NAMES.join(', ')}`);
      continue;
    }
    const { min, max } = LIMITS[known];
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
      overrides[known] = number;
    } else {
      problems.push(
        `found ${known} = ${JSON.stringify(number)}; expected a whole number from ${String(min)} to ${String(max)}`,
      );
    }
  }
  if (problems.length > 0) throw new Error(problems.join('. Also '));
  return overrides;
});

const MIN_VISITOR_TTL_MS = 60_000;
const MAX_VISITOR_TTL_MS = 365 * 86_400_000;

/**
 * Every setting: what reads it, its default and its description. `deskwire --help`, `deskwire check-config`
 * and the README's table come from here. A setting that is empty counts as not set.
 */
export const SETTINGS = {
  NODE_ENV: setting({
    default: 'development',
    description: '`production` refuses to start without a key and shows no demo page; also `development`, `test`.',
    schema: oneOf(['production', 'development', 'test']),
  }),
  PORT: setting({
    default: '3000',
    description: 'Port to listen on; 0 picks a free one.',
    schema: wholeNumber(0, 65_535),
  }),
  HOST: setting({
    default: '0.0.0.0',
    description: 'Address to listen on; 127.0.0.1 for this machine alone.',
    schema: z.string().regex(/^[\w.:%-]+$/, 'expected a host name or an IP address'),
  }),
  DATA_DIR: setting({
    default: './data',
    description: 'Folder for what this server keeps.',
    schema: z.string().transform((value) => resolve(value)),
  }),
  DATABASE_URL: setting({
    default: 'sqlite:./data/deskwire.db',
    description:
      'The store: `sqlite:<path>`, by default the file deskwire.db in DATA_DIR, or `postgres://user:password@host:5432/database` (Postgres 14 or newer), which several nodes can share.',
    schema: databasePlace,
  }),
  ATTACHMENTS_URL: setting({
    default: 'file:./data/attachments',
    description:
      'Where attachments are kept: `file:<folder>`, by default the folder attachments in DATA_DIR, or `s3://bucket/prefix?region=eu-central-1` with `&endpoint=https://…&forcePathStyle=true` for storage other than AWS. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine.',
    schema: text(attachmentsPlace),
  }),
  ATTACHMENTS_TYPES: setting({
    default: DEFAULT_ATTACHMENT_TYPES.join(','),
    description: 'Media types that are accepted, separated by commas; `image/*` for all of a kind, `*/*` for all.',
    schema: text(acceptedTypes),
  }),
  ATTACHMENTS_SCAN_COMMAND: setting({
    description:
      'Virus scanner: a program with its arguments, such as `clamdscan --no-summary --fdpass`. It gets the path of a file and ends with 0 (clean) or 1 (infected).',
    schema: text((value) => value.trim().split(/\s+/) as [string, ...string[]]),
  }),
  ATTACHMENTS_CLAMD: setting({
    description: 'Virus scanner: address of clamd, as `host:port` or the path of its socket.',
    schema: text(clamdAddress),
  }),
  REDIS_URL: setting({
    description:
      'What several nodes tell each other by (Redis 7.0 or newer), with a Postgres store: `redis://user:password@host:6379`, `rediss://…` for TLS, `redis+sentinel://host1:26379,host2:26379/<name of the master>` or `redis+cluster://host1:6379,host2:6379`.',
    secret: true,
    schema: text(redisPlace),
  }),
  DESKWIRE_JWT_SECRET: setting({
    description: 'Secret that tokens are signed with (HS256), at least 32 bytes. At most one of the three keys is set.',
    secret: true,
    schema: z.string().refine((value) => !value.includes('-----BEGIN'), {
      message: 'found a PEM text; a public key belongs in DESKWIRE_JWT_PUBLIC_KEY, and would be no secret here',
    }),
  }),
  DESKWIRE_JWT_PUBLIC_KEY: setting({
    description:
      'Public key of whoever signs the tokens, as PEM or the path of a PEM file: RSA (RS256) or EC P-256 (ES256).',
    schema: pemOrFile,
  }),
  DESKWIRE_JWKS_URL: setting({
    description: 'Address of a JSON Web Key Set, for RS256 and ES256.',
    schema: webUrl,
  }),
  DESKWIRE_JWT_ISSUER: setting({ description: 'Expected `iss` of every token; not set: any.', schema: z.string() }),
  DESKWIRE_JWT_AUDIENCE: setting({
    description: 'Expected in `aud` of every token; not set: any.',
    schema: z.string(),
  }),
  DESKWIRE_JWT_CLOCK_SKEW_SECONDS: setting({
    default: '5',
    description: "How far the clock of a token's issuer may run ahead (`nbf`), in seconds.",
    schema: wholeNumber(0, 600),
  }),
  DESKWIRE_ALLOWED_ORIGINS: setting({
    description: "Origins of the web pages that may connect, separated by commas; this server's own always may.",
    schema: text((value) => {
      const origins = value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
        .map(origin);
      return [...new Set(origins)];
    }),
  }),
  DESKWIRE_PUBLIC_URL: setting({
    description:
      'Where clients reach this server, such as `https://support.example.com`: links to attachments begin with it. Not set: they are relative to it.',
    schema: text((value) => {
      if (/[?#]/.test(value)) throw new Error('expected an address without a query or a fragment');
      return value;
    })
      .pipe(webUrl)
      .transform((value) => value.replace(/\/+$/, '')),
  }),
  DESKWIRE_LIMITS: setting({
    description: 'JSON object that sets limits by their names, such as `{"textBytes":4096}`.',
    schema: limitOverrides,
  }),
  DESKWIRE_VISITORS: setting({
    default: 'on',
    description: '`on` or `off`: whether POST /v1/visitors makes anonymous customers. Needs a secret.',
    schema: oneOf(['on', 'off']),
  }),
  DESKWIRE_VISITOR_TENANT: setting({ default: 'default', description: 'Tenant of the visitors.', schema: id() }),
  DESKWIRE_VISITOR_TTL: setting({
    default: '24h',
    description: "How long a visitor's token lasts, such as 90s, 15m, 24h or 7d.",
    schema: text((value) => {
      const durationMs = parseDuration(value);
      if (durationMs === undefined) throw new Error(`expected ${DURATION_FORMAT}`);
      if (durationMs >= MIN_VISITOR_TTL_MS && durationMs <= MAX_VISITOR_TTL_MS) return durationMs;
      throw new Error('expected from 1m to 365d');
    }),
  }),
  DESKWIRE_DEPARTMENTS: setting({
    description:
      'JSON object of departments by their names, or the path of a file with it, such as `{"sales":{"fallback":"support","botsFirst":true,"hours":{"timeZone":"Europe/Berlin","week":{"mon":["09:00-12:30","13:00-17:00"]},"closedOn":["2026-12-25"]},"outOfHoursMessage":"We are back on Monday."},"support":{}}`. Every field may be left out: without `hours` it is always open, without `timeZone` hours are in UTC. What stands under `"*"` holds for conversations without a department.',
    schema: departmentsText,
  }),
  DESKWIRE_ROUTING: setting({
    default: 'least-busy',
    description:
      'How conversations find an agent: `least-busy` (whoever has most room), `round-robin` (in turn), `longest-idle` (whoever has waited longest), `manual` (agents claim) or `offer` (an agent is asked first).',
    schema: oneOf(ROUTING_STRATEGIES),
  }),
  DESKWIRE_CLOSED_CONVERSATIONS: setting({
    default: 'reopen',
    description: "What a customer's message into a closed conversation does: `reopen` it, or open a `new` one.",
    schema: oneOf(['reopen', 'new']),
  }),
  DESKWIRE_INACTIVITY_MESSAGE: setting({
    default: "Are you still there? This conversation closes soon if we don't hear from you.",
    description: 'What a silent customer is asked before the conversation is closed.',
    schema: z.string(),
  }),
  DESKWIRE_TRUSTED_PROXIES: setting({
    default: '0',
    description:
      'How many proxies stand before this server: so many entries of X-Forwarded-For are believed, from its end.',
    schema: wholeNumber(0, 16),
  }),
  LOG_LEVEL: setting({
    default: 'info',
    description: '`debug`, `info`, `warn`, `error` or `silent`.',
    schema: oneOf(['debug', 'info', 'warn', 'error', 'silent']),
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
export type SettingValue<N extends SettingName> = z.output<(typeof SETTINGS)[N]['schema']>;
