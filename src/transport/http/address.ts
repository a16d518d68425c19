import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

const GROUPS = 8;
/** A network of IPv6 hands each customer at least a /64 (RFC 6177): its addresses count as one. */
const COUNTED_GROUPS = 4;

const groupsOf = (part: string): string[] => (part === '' ? [] : part.split(':'));

const network64 = (address: string): string => {
  const [before = '', after] = (address.split('%')[0] ?? '').split('::');
  const head = groupsOf(before);
  const tail = after === undefined ? [] : groupsOf(after);
  const zeros = Array.from({ length: Math.max(0, GROUPS - head.length - tail.length) }, () => '0');
  const groups = after === undefined ? head : [...head, ...zeros, ...tail];
  const counted = groups.slice(0, COUNTED_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${counted.join(':')}::/64`;
};

const normalise = (address: string): string => {
  // Node writes an IPv4 peer of a socket that speaks both as ::ffff:192.0.2.1.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(address) === 6 ? network64(address) : address;
};

/**
 * The network address that limits are counted by: of the connection itself, or, behind proxies, what the outermost
 * trusted one saw. IPv6 addresses are counted by their /64 network.
 * @param trustedProxyCount how many proxies stand before this server; each adds one entry at the end of
 *   X-Forwarded-For, so what a client writes there itself is never looked at.
 */
export const clientAddress = (request: IncomingMessage, trustedProxyCount: number): string => {
  const direct = normalise(request.socket.remoteAddress ?? 'unknown');
  if (trustedProxyCount === 0) return direct;
  const header = request.headers['x-forwarded-for'];
  const entries = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((entry) => entry.trim());
  const seen = entries.at(-trustedProxyCount);
  return seen !== undefined && isIP(seen) !== 0 ? normalise(seen) : direct;
};
