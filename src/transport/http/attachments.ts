import { once } from 'node:events';
import { create as contentDisposition } from 'content-disposition';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fresh from 'fresh';
import parseRange from 'range-parser';
import type { Download } from '../../core/attachments/downloads.ts';
import type { LinkQuery } from '../../core/attachments/links.ts';
import { DeskwireError } from '../../contract/errors.ts';
import type { ByteRange } from '../../ports/blobs.ts';

export type OpenDownload = (attachmentId: string, query: LinkQuery) => Promise<Download>;

/** Shown in a page or a tab; everything else is saved. */
const SHOWN: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif']);

/** Whatever a browser makes of it: no scripts, no origin, nothing fetched. */
const SANDBOX_CSP = { sandbox: [], defaultSrc: ["'none'"] };

const typeOf = (mediaType: string): string =>
  mediaType.startsWith('text/') ? `${mediaType}; charset=utf-8` : mediaType;

/** The one range that is asked for; undefined: all of it (RFC 9110 §14.2 lets a server ignore the header). */
const rangeOf = ({ headers }: FastifyRequest, size: number, etag: string): ByteRange | 'beyond' | undefined => {
  const { range } = headers;
  // Of a file that never changes, only the tag says that it is the same.
  const condition = headers['if-range'];
  if (range === undefined || (condition !== undefined && condition !== etag)) return undefined;
  // A suffix longer than the file is all of it (RFC 9110 §14.1.2).
  const suffix = /^bytes=-(\d+)$/.exec(range)?.[1];
  if (suffix !== undefined && Number(suffix) >= size) return { start: 0, end: size - 1 };
  const ranges = parseRange(size, range);
  if (ranges === -1) return 'beyond';
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
  return ranges[0];
};

/** Resolves when it is this answer's turn: of requests that were sent at once, those behind open no file before. */
const turn = async ({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply): Promise<void> => {
  // An answer has the connection from its turn on; the types say that it always has.
  if (raw.socket !== null) return;
  const over = new AbortController();
  try {
    if (!socket.destroyed)
      await Promise.race([
        once(raw, 'socket', { signal: over.signal }),
        once(socket, 'close', { signal: over.signal }),
      ]);
  } finally {
    over.abort();
  }
  if (socket.destroyed) throw new DeskwireError('unavailable', 'The connection was closed.');
};

const send = async (request: FastifyRequest, reply: FastifyReply, download: Download): Promise<FastifyReply> => {
  const { name, size, mediaType, tag } = download;
  const etag = `"${tag}"`;
  const known = fresh(request.headers, { etag });
  // Defined for GET alone (RFC 9110 §14.2).
  const wanted = request.method === 'GET' ? rangeOf(request, size, etag) : undefined;
  const range = wanted === 'beyond' ? undefined : wanted;
  const isSent = request.method === 'GET' && !known && wanted !== 'beyond';
  // Before any header: what can't be read is answered as an error.
  const body = isSent ? await download.read(range) : undefined;
  reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    // Asked for again each time: deleting the message ends the link.
    .header('cache-control', 'private, no-cache')
    // Pages of other origins show images too, and a link is all that there is to know.
    .header('cross-origin-resource-policy', 'cross-origin')
    .header('content-disposition', contentDisposition(name, { type: SHOWN.has(mediaType) ? 'inline' : 'attachment' }))
    .type(typeOf(mediaType));
  if (known) return reply.code(304).send();
  if (wanted === 'beyond') {
    return reply
      .code(416)
      .header('content-range', `bytes */${String(size)}`)
      .send();
  }
  if (range !== undefined) {
    reply.code(206).header('content-range', `bytes ${String(range.start)}-${String(range.end)}/${String(size)}`);
  }
  return reply.header('content-length', range === undefined ? size : range.end - range.start + 1).send(body);
};

/** `GET /v1/attachments/:id?…`: what a signed link leads to, whole or a range of it. */
export const attachmentsRoute = (app: FastifyInstance, open: OpenDownload): void => {
  app.route<{ Params: { id: string }; Querystring: LinkQuery }>({
    method: ['GET', 'HEAD'],
    url: '/v1/attachments/:id',
    // Its own: the one made from GET would count the bytes of an empty answer.
    exposeHeadRoute: false,
    helmet: { contentSecurityPolicy: { useDefaults: false, directives: SANDBOX_CSP } },
    handler: async (request, reply) => {
      await turn(request, reply);
      return send(request, reply, await open(request.params.id, request.query));
    },
  });
};
