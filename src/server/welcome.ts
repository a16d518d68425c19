import type { KeySource } from '../auth/keys.ts';
import { signToken } from '../auth/sign-token.ts';
import { systemClock } from '../ports/clock.ts';
import type { Config } from './config.ts';

const TOKEN_SECONDS = 24 * 60 * 60;

/**
 * In development, what to open or type next. On standard error: standard output is the log, and tokens are not logged.
 * Nothing in production, or when tokens are made elsewhere.
 */
export const welcome = (config: Config, keys: KeySource, url: string): void => {
  if (config.production || keys.kind !== 'secret') return;
  const token = (sub: string, name: string, role: 'customer' | 'agent'): string =>
    signToken(keys.key, { sub, name, role }, TOKEN_SECONDS, { ...config.tokens, clock: systemClock }).token;
  const customer = token('ann', 'Ann', 'customer');
  const agent = token('bob', 'Bob', 'agent');
  process.stderr.write(`
  Deskwire is listening on ${url}

  A customer and an agent, side by side in one page:
    ${url}/#customer=${customer}&agent=${agent}

  The same two tokens for clients of your own (good for a day):
    customer Ann  ${customer}
    agent Bob     ${agent}

  The API:        ${url}/docs
  Another token:  npx deskwire token --role customer --sub carol --name Carol
`);
};
