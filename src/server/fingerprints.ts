import { createHmac } from 'node:crypto';
import type { KeySource } from '../auth/keys.ts';
import type { Config } from './config.ts';

/** Enough to tell two settings apart, too little to find one. */
const DIGITS = 16;

const keyText = (keys: KeySource): string => {
  switch (keys.kind) {
    case 'secret':
      return keys.key.export().toString('base64');
    case 'public-key':
      return keys.key.export({ type: 'spki', format: 'pem' }).toString();
    case 'jwks':
      return keys.url;
  }
};

/**
 * What nodes that share a store compare: names of settings, and a keyed hash of what each means here. Equal on all nodes, or clients
 * are treated differently on each.
 *
 * @param salt a secret that the nodes share
 */
export const fingerprints = (config: Config, keys: KeySource, salt: string): Record<string, string> => {
  const hash = (value: unknown): string =>
    createHmac('sha256', salt)
      .update(JSON.stringify([value]))
      .digest('hex')
      .slice(0, DIGITS);
  const { attachments } = config;
  return {
    DESKWIRE_JWT_SECRET: hash([keys.kind, keyText(keys)]),
    DESKWIRE_JWT_ISSUER: hash(config.tokens.issuer),
    DESKWIRE_JWT_AUDIENCE: hash(config.tokens.audience),
    DESKWIRE_LIMITS: hash(config.limits),
    DESKWIRE_DEPARTMENTS: hash(config.departments),
    DESKWIRE_ROUTING: hash(config.routing),
    DESKWIRE_CLOSED_CONVERSATIONS: hash(config.closedConversations),
    DESKWIRE_INACTIVITY_MESSAGE: hash(config.inactivityMessage),
    DESKWIRE_VISITORS: hash(config.visitors),
    DESKWIRE_PUBLIC_URL: hash(config.publicUrl),
    DESKWIRE_TRUSTED_PROXIES: hash(config.trustedProxyCount),
    DESKWIRE_ALLOWED_ORIGINS: hash([...config.allowedOrigins].sort()),
    ATTACHMENTS_TYPES: hash([...config.attachmentTypes].sort()),
    // Where it is may be another place on each; that one looks for viruses and another does not is what matters.
    'ATTACHMENTS_CLAMD, ATTACHMENTS_SCAN_COMMAND': hash(config.scanner === undefined),
    // Its address may be another on each.
    REDIS_URL: hash(config.redis === undefined),
    // A folder that all of them see may have another path on each.
    ATTACHMENTS_URL: hash(attachments.kind === 'disk' ? attachments.kind : attachments),
  };
};
