/** REDIS_URL, read. */
import { readFileSync } from 'node:fs';
import type { Endpoint, RedisPlace } from '../cluster/redis-place.ts';

export type { RedisPlace } from '../cluster/redis-place.ts';

const SINGLE = 'redis://host:6379';
const SENTINEL = 'redis+sentinel://host1:26379,host2:26379/mymaster';
const CLUSTER = 'redis+cluster://host1:6379,host2:6379';
const EXAMPLES = `${SINGLE} (rediss:// for TLS), ${SENTINEL} or ${CLUSTER}`;

const ESCAPES = 'in a user or password @ as %40, / as %2F, ? as %3F, # as %23 and % as %25';

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

const endpoint = (text: string, defaultPort: number, example: string): Endpoint => {
  const [, bracketed, plain, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) {
    // Never what is in the way itself: a password with a / or an @ that is not written as %2F or %40 lands in here.
    throw new Error(`found something that is no host:port; expected such as ${example}, and ${ESCAPES}`);
  }
  return { host, port };
};

const decoded = (text: string, what: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(`found a ${what} with a % that begins no %XX; expected % itself as %25`);
  }
};

const credentials = (text: string | undefined): { username: string | undefined; password: string | undefined } => {
  if (text === undefined || text === '') return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  if (colon < 0) {
    throw new Error(
      'found a user without a password; expected user:password@, or :password@ for the default user, such as redis://:secret@host:6379',
    );
  }
  const password = decoded(text.slice(colon + 1), 'password');
  if (password === '') throw new Error('found an empty password; expected one, or no user and no @ at all');
  return { username: decoded(text.slice(0, colon), 'user') || undefined, password };
};

const certificate = (file: string): string => {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`found ca=${file}, which can't be read (${code ?? 'unreadable'}); expected a PEM file`, {
      cause: error,
    });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`found ca=${file}, which holds no certificate; expected a PEM file`);
  return pem;
};

const database = (text: string): number => {
  if (text === '') return 0;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new Error(`found ${JSON.stringify(text)} as the database; expected a number, such as ${SINGLE}/2`);
};

/**
 * Where Redis is: `redis://[user:password@]host[:port][/db]`; `redis+sentinel://[user:password@]host[:port],…/master[/db]`, with
 * `?sentinelUser=` and `?sentinelPassword=` if the sentinels ask for them; `redis+cluster://[user:password@]host[:port],…`. With
 * `rediss` in the place of `redis`: TLS, and `?ca=<PEM file>` for an authority of one's own.
 * @throws Error that says what was found and what was expected, never the password
 */
export const redisPlace = (value: string): RedisPlace => {
  const [, scheme, kind, rest] = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(.*)$/s.exec(value) ?? [];
  if (rest === undefined) throw new Error(`found another scheme; expected ${EXAMPLES}`);
  const question = rest.indexOf('?');
  // A password with a ? would otherwise be taken for an option, and shown.
  if (question >= 0 && rest.lastIndexOf('@') > question) throw new Error(`found an @ after a ?; expected ${ESCAPES}`);
  const before = question < 0 ? rest : rest.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : rest.slice(question + 1));
  const at = before.lastIndexOf('@');
  const { username, password } = credentials(at < 0 ? undefined : before.slice(0, at));
  const [hosts = '', ...path] = before.slice(at + 1).split('/');
  const allowed = ['ca', ...(kind === 'sentinel' ? ['sentinelUser', 'sentinelPassword'] : [])];
  const unknown = [...query.keys()].find((name) => !allowed.includes(name));
  if (unknown !== undefined) throw new Error(`found the option ${unknown}; expected none but ${allowed.join(', ')}`);
  const ca = query.get('ca') ?? undefined;
  if (ca !== undefined && scheme !== 'rediss')
    throw new Error('found ca=, which is for TLS, with a plain address; expected one that begins with rediss');
  const tls = scheme === 'rediss' ? { ca: ca === undefined ? undefined : certificate(ca) } : undefined;
  const common = { username, password, tls };

  if (kind === 'cluster') {
    if (path.some((part) => part !== ''))
      throw new Error(`found a path; a cluster has neither databases nor names: expected ${CLUSTER}`);
    return { ...common, kind, nodes: hosts.split(',').map((text) => endpoint(text, REDIS_PORT, CLUSTER)) };
  }
  if (kind === 'sentinel') {
    const [masterName = '', db = '', ...more] = path;
    if (masterName === '' || more.length > 0)
      throw new Error(
        `found ${masterName === '' ? 'no name of a master' : 'too long a path'}; expected it after the sentinels, such as ${SENTINEL}`,
      );
    const sentinels = hosts.split(',').map((text) => endpoint(text, SENTINEL_PORT, SENTINEL));
    const sentinelCredentials = {
      username: query.get('sentinelUser') ?? undefined,
      password: query.get('sentinelPassword') ?? undefined,
    };
    return {
      ...common,
      kind,
      sentinels,
      masterName: decoded(masterName, "master's name"),
      sentinelCredentials,
      db: database(db),
    };
  }
  if (hosts.includes(','))
    throw new Error(`found several hosts; expected one, or redis+sentinel:// or redis+cluster://, such as ${CLUSTER}`);
  if (path.length > 1) throw new Error(`found too long a path; expected ${SINGLE}/<database>`);
  return {
    ...common,
    kind: 'single',
    endpoint: endpoint(hosts, REDIS_PORT, SINGLE),
    db: database(path[0] ?? ''),
  };
};
