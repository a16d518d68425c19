import { once } from 'node:events';
import { Redis } from 'ioredis';
import { onceOptions } from './redis-options.ts';
import { channelPrefix, endpointText, type Credentials, type Endpoint, type RedisPlace } from './redis-place.ts';
import { uncoveredSlots, uncoveredText, slotRanges, withConnection } from './slots.ts';
import { RedisStartError } from './start-error.ts';

/** Sharded channels came with it. */
const OLDEST_VERSION = 7;

/** It did not answer; the text says how. */
class Unreachable extends Error {}
/** A cluster that answers, and has slots that no server serves: that may pass, too. */
class Uncovered extends Unreachable {}
/** Each server has users of its own, so that one of a cluster may lack what the others give. */
class MissingRight extends RedisStartError {}

const CERTIFICATE_ERRORS =
  /self.signed certificate|unable to (?:verify|get)|certificate has expired|altname|does not match/i;
/** An error that a server replies begins with a word in capitals; EPROTO and its like are Node's. */
const REPLY_ERROR = /^(?!E[A-Z]+:)[A-Z]{2,}(?: |$)/;

/** @throws RedisStartError, or Unreachable */
const explain = (error: unknown, endpoint: Endpoint, place: RedisPlace): never => {
  if (error instanceof RedisStartError || error instanceof Unreachable) throw error;
  const message = error instanceof Error ? error.message : String(error);
  const where = endpointText(endpoint);
  const refuse = (sentence: string): never => {
    throw new RedisStartError(`REDIS_URL: ${sentence}`, { cause: error });
  };
  if (message.startsWith('WRONGPASS'))
    return refuse(
      `Redis at ${where} does not know this user and password. Check both; special characters are written as %XX.`,
    );
  if (message.startsWith('NOAUTH'))
    return refuse(
      `Redis at ${where} asks for a password, and the address has none. Write redis://user:password@… or redis://:password@….`,
    );
  if (message.includes('without any password configured'))
    return refuse(
      `Redis at ${where} has no password, and the address has one. Remove it from the address, or set requirepass or a user there.`,
    );
  if (message.startsWith('NOPERM')) {
    const command = /'([^']+)' command/.exec(message)?.[1]?.toLowerCase();
    const what = command === undefined ? `to the channels ${channelPrefix(place)}:*` : `+${command}`;
    // All that is needed, so that nobody is refused once for each; a sentinel's commands are not among it.
    const rights =
      command === undefined || RIGHTS.includes(`+${command}`) ? [...RIGHTS, `&${channelPrefix(place)}:*`] : [what];
    throw new MissingRight(
      `REDIS_URL: the user has no right ${what} at ${where}: ${message}. Allow it: ACL SETUSER <user> ${rights.join(' ')}`,
      { cause: error },
    );
  }
  if (message.startsWith('CLUSTERDOWN')) throw new Uncovered(`${where}: ${message}`);
  if (message.startsWith('DENIED'))
    return refuse(
      `Redis at ${where} is in protected mode and refuses other machines. Set a password there, or protected-mode no.`,
    );
  if (place.tls !== undefined && CERTIFICATE_ERRORS.test(message))
    return refuse(
      `the certificate of ${where} is not trusted: ${message}. Give its authority with ?ca=<PEM file>, and use a host name that the certificate has.`,
    );
  // Loading its data or in the middle of a failover: it will pass.
  if (REPLY_ERROR.test(message) && !/^(?:LOADING|BUSY|MASTERDOWN|TRYAGAIN|MISCONF)\b/.test(message))
    return refuse(`Redis at ${where} answered: ${message}.`);
  throw new Unreachable(`${where}: ${message}`);
};

const RIGHTS = ['+ping', '+info', '+spublish', '+ssubscribe', '+sunsubscribe', '+client|setname', '+cluster|slots'];

const signIn = async (redis: Redis, { username, password }: Credentials): Promise<void> => {
  if (password === undefined) return;
  await redis.call('AUTH', ...(username === undefined ? [] : [username]), password);
};

const field = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';

const modeProblem = (mode: string, place: RedisPlace, where: string): string | undefined => {
  if (mode === 'sentinel')
    return `${where} is a sentinel, not a server. Write redis+sentinel://${where}/<name of the master>.`;
  if (mode === 'cluster' && place.kind !== 'cluster')
    return `${where} is part of a cluster. Write redis+cluster://${where}, with more of its nodes after commas.`;
  if (mode === 'standalone' && place.kind === 'cluster')
    return `${where} is not part of a cluster. Write redis://${where}.`;
  return undefined;
};

/** Whether who takes the connection, and then says nothing that is understood, is a Redis with TLS where none was meant, or without. */
const speaksOther = async (place: RedisPlace, endpoint: Endpoint, error: unknown): Promise<boolean> => {
  const { message } = error as Error;
  if (error instanceof RedisStartError || error instanceof Uncovered) return false;
  if (REPLY_ERROR.test(message) || /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(message)) return false;
  const plain = onceOptions({ ...place, tls: undefined }, endpoint);
  const other = place.tls === undefined ? { ...plain, tls: { rejectUnauthorized: false } } : plain;
  return withConnection(new Redis(other), (redis) => redis.ping()).then(
    () => true,
    (failure: unknown) => REPLY_ERROR.test((failure as Error).message),
  );
};

/** @throws RedisStartError, or Unreachable */
const checkServer = async (place: RedisPlace, endpoint: Endpoint): Promise<void> => {
  const where = endpointText(endpoint);
  await withConnection(new Redis(onceOptions(place, endpoint)), async (redis) => {
    await signIn(redis, place);
    const info = await redis.info('server');
    const version = field(info, 'redis_version');
    const problem = modeProblem(field(info, 'redis_mode'), place, where);
    if (problem !== undefined) throw new RedisStartError(`REDIS_URL: ${problem}`);
    if (Number.parseInt(version, 10) < OLDEST_VERSION)
      throw new RedisStartError(
        `REDIS_URL: Redis at ${where} is version ${version}, and sharded channels came with ${String(OLDEST_VERSION)}.0. Upgrade it.`,
      );
    // Each command that a node will need is given once: what the user may not do is told now, not by an outage that never ends.
    await redis.ping();
    const ranges = place.kind === 'cluster' ? slotRanges(await redis.cluster('SLOTS'), endpoint) : undefined;
    const channel = `${channelPrefix(place)}:check`;
    // Of a cluster MOVED is an answer, too: it shows the right to ask.
    const butMoved = (error: unknown): void => {
      if (!(error as Error).message.startsWith('MOVED')) throw error;
    };
    await redis.spublish(channel, '').catch(butMoved);
    // ioredis tells it by an event then, and never answers the command.
    const moved = once(redis, 'moved');
    await Promise.race([redis.ssubscribe(channel), moved]);
    await redis.sunsubscribe(channel).catch(butMoved);
    const uncovered = ranges === undefined ? 0 : uncoveredSlots(ranges);
    if (uncovered > 0) throw new Uncovered(`${where}: ${uncoveredText(uncovered)}`);
  }).catch(async (error: unknown) => {
    if (await speaksOther(place, endpoint, error)) {
      const scheme = place.tls === undefined ? 'speaks TLS: write rediss' : 'does not speak TLS: write redis';
      throw new RedisStartError(`REDIS_URL: ${where} ${scheme} at the beginning, or take another port.`);
    }
    explain(error, endpoint, place);
  });
};

type SentinelAnswer = { readonly master: Endpoint } | { readonly otherNames: readonly string[] };

const askSentinel = async (place: RedisPlace & { kind: 'sentinel' }, sentinel: Endpoint): Promise<SentinelAnswer> => {
  const redis = new Redis(onceOptions(place, sentinel));
  return withConnection(redis, async (): Promise<SentinelAnswer> => {
    await signIn(redis, place.sentinelCredentials);
    const address = await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', place.masterName);
    // ioredis asks for it each time it connects.
    if (Array.isArray(address)) await redis.call('SENTINEL', 'SENTINELS', place.masterName);
    if (Array.isArray(address)) return { master: { host: String(address[0]), port: Number(address[1]) } };
    const masters = (await redis.call('SENTINEL', 'MASTERS')) as string[][];
    return { otherNames: masters.map((fields) => fields[fields.indexOf('name') + 1] ?? '') };
  }).catch((error: unknown) => {
    const where = endpointText(sentinel);
    if (/unknown command/i.test((error as Error).message))
      throw new RedisStartError(
        `REDIS_URL: ${where} is a server, not a sentinel. Write redis://${where}, or a sentinel's port.`,
      );
    if (/^(?:NOAUTH|WRONGPASS)/.test((error as Error).message))
      throw new RedisStartError(
        `REDIS_URL: the sentinel ${where} asks for a password of its own, and the address has none that it knows. Add ?sentinelPassword= (and sentinelUser=).`,
      );
    return explain(error, sentinel, place);
  });
};

const findMaster = async (place: RedisPlace & { kind: 'sentinel' }): Promise<Endpoint> => {
  const answers = await Promise.allSettled(place.sentinels.map((sentinel) => askSentinel(place, sentinel)));
  const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const found = given.find((answer) => 'master' in answer);
  if (found !== undefined) return found.master;
  const others = given.flatMap((answer) => ('otherNames' in answer ? answer.otherNames : []));
  if (given.length > 0)
    throw new RedisStartError(
      `REDIS_URL: no sentinel knows a master named ${place.masterName}. ${others.length > 0 ? `They know ${[...new Set(others)].join(', ')}.` : 'They know none.'} The name is what stands after sentinel monitor in sentinel.conf.`,
    );
  throw firstProblem(answers);
};

/** What must be mended before what may pass. */
const firstProblem = (answers: readonly PromiseSettledResult<unknown>[]): unknown => {
  const problems = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
  return (
    problems.find((problem) => problem instanceof RedisStartError) ??
    problems.find((problem) => problem instanceof Uncovered) ??
    problems[0]
  );
};

/** Why Redis can't be used now. */
export interface Obstacle {
  readonly reason: string;
  /** It answers, and has slots that no server serves. */
  readonly uncovered: boolean;
}

/**
 * Looks at Redis as REDIS_URL names it, in about two seconds at most.
 * @returns undefined: it can be used
 * @throws RedisStartError: it answers, and can't be used so
 */
export const checkRedis = async (place: RedisPlace): Promise<Obstacle | undefined> => {
  try {
    if (place.kind === 'single') await checkServer(place, place.endpoint);
    if (place.kind === 'sentinel') await checkServer(place, await findMaster(place));
    if (place.kind === 'cluster') {
      const checks = await Promise.allSettled(place.nodes.map((node) => checkServer(place, node)));
      const lacking = checks.find((check) => check.status === 'rejected' && check.reason instanceof MissingRight);
      if (lacking !== undefined) throw firstProblem([lacking]);
      // One node is enough to find the others.
      if (!checks.some(({ status }) => status === 'fulfilled')) throw firstProblem(checks);
    }
    return undefined;
  } catch (error) {
    if (error instanceof Unreachable) return { reason: error.message, uncovered: error instanceof Uncovered };
    throw error;
  }
};
