import { secretKey, type KeySource } from '../auth/keys.ts';
import type { Config } from './config.ts';
import { developmentSecret } from './development-secret.ts';

export interface ResolvedKeys {
  readonly keys: KeySource;
  /** A sentence for the log or for standard error, when the key is the one for development. */
  readonly notice: string | undefined;
}

/** The keys that `serve` verifies with and `token` signs with: those configured, or else the one for development. */
export const resolveKeys = async (config: Config): Promise<ResolvedKeys> => {
  if (config.keys.kind !== 'development') return { keys: config.keys, notice: undefined };
  const { secret, path, created } = await developmentSecret(config.dataDir);
  return {
    keys: { kind: 'secret', key: secretKey(secret) },
    notice: `No key is configured: tokens are verified with the development secret in ${path}${created ? ', made just now' : ''}. In production set DESKWIRE_JWT_SECRET, DESKWIRE_JWT_PUBLIC_KEY or DESKWIRE_JWKS_URL.`,
  };
};
