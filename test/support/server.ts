import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secretKey } from '../../src/auth/keys.ts';
import { signToken } from '../../src/auth/sign-token.ts';
import type { Role } from '../../src/contract/roles.ts';
import type { Limits } from '../../src/contract/limits.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Log } from '../../src/ports/log.ts';
import { loadConfig } from '../../src/server/config.ts';
import { serve, type Running } from '../../src/server/serve.ts';

export const SECRET = 'a-secret-for-tests-that-is-long-enough-0123456789';
const key = secretKey(SECRET);

export interface Identity {
  sub: string;
  role: Role;
  name?: string;
  tenant?: string;
  departments?: string[];
  skills?: string[];
  maxChats?: number;
}

/** A token of the test secret. */
export const tokenFor = (identity: Identity, ttlSeconds = 3600): string =>
  signToken(key, identity, ttlSeconds, { clock: systemClock }).token;

export const customer = (sub: string, more: Partial<Identity> = {}): Identity => ({ sub, role: 'customer', ...more });
export const agent = (sub: string, more: Partial<Identity> = {}): Identity => ({ sub, role: 'agent', ...more });
export const supervisor = (sub: string, more: Partial<Identity> = {}): Identity => ({
  sub,
  role: 'supervisor',
  ...more,
});
export const bot = (sub: string, more: Partial<Identity> = {}): Identity => ({ sub, role: 'bot', ...more });

export interface TestServer extends Running {
  readonly dataDir: string;
  /** Everything logged, for tests that look for what must not be there. */
  readonly logged: { level: string; fields: object; message: string }[];
  /** Drains, and removes the data. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  readonly limits?: Partial<Limits>;
  readonly env?: Record<string, string>;
  /** Data of an earlier server, to go on with. */
  readonly dataDir?: string;
}

/** A whole server in this process, on a port of its own, with a database of its own. */
export const startServer = async ({ limits = {}, env = {}, dataDir }: TestServerOptions = {}): Promise<TestServer> => {
  const folder = dataDir ?? mkdtempSync(join(tmpdir(), 'deskwire-test-'));
  const logged: TestServer['logged'] = [];
  const logAs = (level: string) => (fields: object, message: string) => {
    logged.push({ level, fields, message });
  };
  const log: Log = { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') };
  const config = loadConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    NODE_ENV: 'production',
    DATA_DIR: folder,
    DESKWIRE_JWT_SECRET: SECRET,
    DESKWIRE_LIMITS: JSON.stringify({ requestsPerSecond: 100_000, handshakesPerSecond: 100_000, ...limits }),
    ...env,
  });
  const running = await serve(config, { log });
  return {
    ...running,
    dataDir: folder,
    logged,
    stop: async () => {
      await running.drain();
      if (dataDir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
};
