import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { DeskwireError } from '../../contract/errors.ts';
import type { Limits } from '../../contract/limits.ts';
import { metadata, type Metadata } from '../../contract/text.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';
import { clientAddress } from './address.ts';
import { createRate } from './rate.ts';

/** Makes an anonymous customer. `expiresAt` is in milliseconds since 1970. */
export type IssueVisitor = (request: { name?: string | undefined; metadata?: Metadata | undefined }) => {
  token: string;
  userId: string;
  expiresAt: number;
};

export interface VisitorsRouteOptions {
  /** undefined: visitors are switched off, and the route answers 404. */
  readonly issue: IssueVisitor | undefined;
  readonly limits: Pick<Limits, 'handshakesPerSecond' | 'metadataBytes'>;
  readonly trustedProxyCount: number;
  readonly clock: Clock;
}

const MAX_BODY_BYTES = 16_384;
const MAX_NAME_LENGTH = 256;
/** The metadata travels in the token, which has to stay below the 16 KiB that `session:refresh` takes. */
const MAX_METADATA_BYTES = 8_192;

const parse = <T>(schema: z.ZodType<T>, body: unknown): T => {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const tooLarge = issues.some((issue) => issue.code === 'custom' && issue.params?.['code'] === 'payload_too_large');
  const details = issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message }));
  throw new DeskwireError(tooLarge ? 'payload_too_large' : 'invalid_payload', undefined, { details });
};

/** `POST /v1/visitors`, `{ name?, metadata? }` → 201 `{ token, userId, expiresAt }`; no body counts as `{}`. */
export const visitorsRoute = (app: FastifyInstance, options: VisitorsRouteOptions): void => {
  const { issue, limits, trustedProxyCount, clock } = options;
  // A visitor is good for a handshake, so as many are made as can be used.
  const rate = createRate(limits.handshakesPerSecond, clock);
  const Body = z.strictObject({
    name: z.string().trim().min(1).max(MAX_NAME_LENGTH).optional(),
    metadata: metadata(Math.min(limits.metadataBytes, MAX_METADATA_BYTES)).optional(),
  });

  app.post('/v1/visitors', { bodyLimit: MAX_BODY_BYTES }, (request, reply) => {
    if (issue === undefined) throw new DeskwireError('not_found', 'Visitors are switched off on this server.');
    const waitMs = rate.take(clientAddress(request.raw, trustedProxyCount));
    if (waitMs > 0) throw new DeskwireError('rate_limited', undefined, { retryAfterMs: waitMs });
    const { token, userId, expiresAt } = issue(parse(Body, request.body));
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({ token, userId, expiresAt: isoTime(expiresAt) });
  });
};
