import type { FastifyHelmetOptions } from '@fastify/helmet';

/** Content-Security-Policy of everything but /docs: only what this server serves itself, and in nobody's frame. */
export const STRICT_CSP = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/**
 * Helmet's headers, with two exceptions. There is no `upgrade-insecure-requests`: it breaks a server reached over plain
 * http. There is no HSTS: that is for whoever ends TLS to say, for names that this server does not know.
 */
export const HELMET_OPTIONS: FastifyHelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: STRICT_CSP },
  strictTransportSecurity: false,
};
