/**
 * Every error a client can meet: one table, from which the types, the HTTP problems, the
 * AsyncAPI document and docs/errors.md all come.
 */
interface ErrorRow {
  /** Status of the same error over HTTP (RFC 9457 problem). */
  readonly status: number;
  /** Whether repeating the very same request later can succeed. */
  readonly retryable: boolean;
  readonly description: string;
}

export const ERRORS = {
  token_missing: { status: 401, retryable: false, description: 'No token was sent in the handshake.' },
  token_invalid: {
    status: 401,
    retryable: false,
    description:
      'The token is not a JWT that this server accepts: signature, algorithm, issuer, audience or a claim is wrong.',
  },
  token_expired: { status: 401, retryable: false, description: 'The token has expired; get a new one.' },
  token_revoked: { status: 401, retryable: false, description: 'The token was revoked; get a new one.' },
  forbidden: {
    status: 403,
    retryable: false,
    description: 'Your role, or your place in this conversation, does not allow the request.',
  },
  not_found: { status: 404, retryable: false, description: 'No such thing, or none that you may see.' },
  invalid_payload: {
    status: 400,
    retryable: false,
    description: 'The payload does not match its schema; `details` lists each path and what was expected there.',
  },
  unknown_event: { status: 404, retryable: false, description: 'The server has no request of this name.' },
  conversation_closed: {
    status: 409,
    retryable: false,
    description: 'The conversation is closed; reopen it or open another.',
  },
  already_assigned: {
    status: 409,
    retryable: false,
    description: 'Somebody else is assigned; `details.assignee` says who.',
  },
  capacity_reached: {
    status: 409,
    retryable: true,
    description: 'The agent has as many conversations as the agent can take.',
  },
  agent_unavailable: { status: 409, retryable: true, description: 'The agent is not online.' },
  stale_fence: {
    status: 409,
    retryable: false,
    description: 'You are no longer the assignee; the conversation has moved on.',
  },
  offer_expired: { status: 410, retryable: false, description: 'The offer is no longer open.' },
  duplicate_mismatch: {
    status: 409,
    retryable: false,
    description: 'This client id was used before with other content; use a new one.',
  },
  edit_window_passed: {
    status: 409,
    retryable: false,
    description: 'The message is older than `limits.editWindowMs`.',
  },
  payload_too_large: {
    status: 413,
    retryable: false,
    description: 'The payload, or a text in it, is larger than its published limit.',
  },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    description: 'The content is of a type that is not accepted.',
  },
  checksum_mismatch: { status: 409, retryable: false, description: 'The content does not have the stated hash.' },
  offset_mismatch: {
    status: 409,
    retryable: false,
    description: 'The chunk does not start where the received bytes end.',
  },
  attachment_incomplete: { status: 409, retryable: false, description: 'The attachment is not finished.' },
  quota_exceeded: { status: 409, retryable: false, description: 'A published quota is used up.' },
  rate_limited: { status: 429, retryable: true, description: 'Too many requests; try again after `retryAfterMs`.' },
  too_many_connections: {
    status: 429,
    retryable: true,
    description: 'Too many connections from this address or user.',
  },
  draining: {
    status: 503,
    retryable: true,
    description: 'This server is shutting down; connect again, and repeat the request.',
  },
  unavailable: {
    status: 503,
    retryable: true,
    description: 'The store is out of reach, or thousands are connecting at once; nothing was kept.',
  },
  timeout: {
    status: 504,
    retryable: true,
    description: 'The outcome is not known; repeat the request with the same client id.',
  },
  internal: { status: 500, retryable: true, description: 'The server failed; its log has the cause.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

/** The error object of a failed reply, of `request:failed`, and of `connect_error`'s `data`. */
export interface ErrorObject {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  details?: unknown;
}

/** Any request can fail with these; a request's own `errors` come on top. */
export const COMMON_ERRORS = [
  'invalid_payload',
  'payload_too_large',
  'forbidden',
  'rate_limited',
  'draining',
  'unavailable',
  'timeout',
  'internal',
] as const satisfies readonly ErrorCode[];

/** The one error type that handlers throw on purpose. Anything else thrown becomes `internal`. */
export class DeskwireError extends Error {
  readonly code: ErrorCode;
  readonly details: unknown;
  readonly retryAfterMs: number | undefined;

  /**
   * @param message what was found, what was expected, what to do; sent to the client as it is.
   *   Defaults to the table's sentence.
   */
  constructor(
    code: ErrorCode,
    message?: string,
    options?: { details?: unknown; retryAfterMs?: number; cause?: unknown },
  ) {
    super(message ?? ERRORS[code].description, { cause: options?.cause });
    this.name = 'DeskwireError';
    this.code = code;
    this.details = options?.details;
    this.retryAfterMs = options?.retryAfterMs;
  }

  toObject(): ErrorObject {
    return {
      code: this.code,
      message: this.message,
      retryable: ERRORS[this.code].retryable,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}
