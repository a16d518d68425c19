import type { IncomingMessage } from 'node:http';

/**
 * Whether the page that made a request may use this server: it is this server's own, it is on the list, or there is
 * no page (no browser leaves `Origin` out of an upgrade or of a request to another origin).
 */
export const isAllowedOrigin = (request: IncomingMessage, allowedOrigins: ReadonlySet<string>): boolean => {
  const { origin, host } = request.headers;
  if (origin === undefined || allowedOrigins.has(origin)) return true;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
};
