import type { RequestSpec } from '../contract/define.ts';
import { COMMON_ERRORS, DeskwireError, ERROR_CODES, ERRORS, type ErrorCode } from '../contract/errors.ts';
import { bob } from '../contract/examples.ts';
import type { JsonObject } from './schemas.ts';

/** What a handshake can be refused with for good. */
export const HANDSHAKE_ERRORS = [
  'token_missing',
  'token_invalid',
  'token_expired',
  'token_revoked',
  'too_many_connections',
  'unavailable',
  'internal',
] as const satisfies readonly ErrorCode[];

/** Every code that a request's reply can carry, in the order of the table. */
export const possibleErrors = (request: RequestSpec): ErrorCode[] => {
  const possible = new Set<ErrorCode>([...COMMON_ERRORS, ...request.errors]);
  return ERROR_CODES.filter((code) => possible.has(code));
};

/** What some errors carry beside their sentence. */
const EXTRAS: Partial<Record<ErrorCode, { details?: unknown; retryAfterMs?: number }>> = {
  invalid_payload: { details: [{ path: 'conversationId', message: 'expected string, found number' }] },
  already_assigned: { details: { assignee: bob } },
  rate_limited: { retryAfterMs: 250 },
};

/** An error object as a client sees it. */
export const errorExample = (code: ErrorCode): JsonObject => ({
  ...(new DeskwireError(code, undefined, EXTRAS[code]).toObject() as unknown as JsonObject),
});

/** The error table, as it stands in the document. */
export const errorTable = (): JsonObject =>
  Object.fromEntries(ERROR_CODES.map((code): [string, JsonObject] => [code, { ...ERRORS[code] }]));
