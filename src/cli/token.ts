import { Command, Option } from 'commander';
import { z } from 'zod';
import { IdentityClaims } from '../auth/claims.ts';
import { signToken } from '../auth/sign-token.ts';
import { ROLES, type Role } from '../contract/roles.ts';
import { systemClock } from '../ports/clock.ts';
import { loadConfig } from '../server/config.ts';
import { DURATION_FORMAT, parseDuration } from '../server/duration.ts';
import { resolveKeys } from '../server/keys.ts';
import { StartError } from '../server/start-error.ts';

interface TokenFlags {
  readonly role: Role;
  readonly sub: string;
  readonly name?: string;
  readonly tenant?: string;
  readonly department?: string[];
  readonly skill?: string[];
  readonly maxChats?: string;
  readonly ttl?: string;
}

const DEFAULT_TTL = '1h';

const collect = (value: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), value];

const readTtlSeconds = (text: string): number => {
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined) throw new StartError(`--ttl: found ${JSON.stringify(text)}; expected ${DURATION_FORMAT}.`);
  return ttlMs / 1000;
};

const readClaims = (flags: TokenFlags): IdentityClaims => {
  const claims = IdentityClaims.safeParse({
    sub: flags.sub,
    role: flags.role,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.tenant === undefined ? {} : { tenant: flags.tenant }),
    ...(flags.department === undefined ? {} : { departments: flags.department }),
    ...(flags.skill === undefined ? {} : { skills: flags.skill }),
    ...(flags.maxChats === undefined ? {} : { maxChats: Number(flags.maxChats) }),
  });
  if (claims.success) return claims.data;
  throw new StartError(`The token can't be made:\n${z.prettifyError(claims.error)}`);
};

/** `deskwire token`: prints a JWT, and nothing else, on standard output. */
export const tokenCommand = (): Command =>
  new Command('token')
    .description('Print a token, signed with the key that `deskwire serve` uses in the same environment.')
    .addOption(new Option('--role <role>', 'who the bearer is').choices(ROLES).makeOptionMandatory())
    .requiredOption('--sub <id>', "the bearer's id")
    .option('--name <name>', 'shown to others; the id when left out')
    .option('--tenant <tenant>', '"default" when left out')
    .option('--department <department>', 'may be repeated', collect)
    .option('--skill <skill>', 'may be repeated', collect)
    .option('--max-chats <count>', 'conversations at once; limits.agentCapacity when left out')
    .option('--ttl <duration>', `how long it lasts: ${DURATION_FORMAT}; ${DEFAULT_TTL} when left out`)
    .action(async (flags: TokenFlags) => {
      const claims = readClaims(flags);
      const ttlSeconds = readTtlSeconds(flags.ttl ?? DEFAULT_TTL);
      const config = loadConfig(process.env);
      const { keys, notice } = await resolveKeys(config);
      if (keys.kind !== 'secret') {
        const setting = keys.kind === 'jwks' ? 'DESKWIRE_JWKS_URL' : 'DESKWIRE_JWT_PUBLIC_KEY';
        throw new StartError(
          `No token can be signed here: ${setting} gives the public half of a key. Get tokens from whoever holds the private one, or set DESKWIRE_JWT_SECRET instead.`,
        );
      }
      if (notice !== undefined) process.stderr.write(`${notice}\n`);
      const { issuer, audience } = config.tokens;
      const { token } = signToken(keys.key, claims, ttlSeconds, { issuer, audience, clock: systemClock });
      process.stdout.write(`${token}\n`);
    });
