import { DatabaseError } from 'pg';
import { DeskwireError } from '../../contract/errors.ts';

/**
 * What a failed statement or transaction leaves behind:
 * - `not_kept`: nothing of it, and the database may be out of reach;
 * - `unknown`: it may have been committed;
 * - `refused`: nothing, and it can't be made: the others that were sent with it have nothing to do with that;
 * - `repeat`: nothing, because of others that came between; it can be made again at once.
 */
export type FailureKind = 'not_kept' | 'unknown' | 'refused' | 'repeat';

const MESSAGES = {
  read: 'The store could not be read; try again later.',
  not_kept: 'The store could not write; nothing was kept. Repeat the request later.',
  unknown: 'The store failed while it wrote; whether this was kept is not known. Repeat it with the same client id.',
} as const;

export class StoreFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreFailure';
    this.kind = kind;
  }
}

/** SQLSTATE, or the system's code for what went wrong with the connection. */
export const codeOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  // What comes of a name with several addresses, each of which failed.
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
};

/** For the log and for health: what the database or the system said. */
export const reasonOf = (error: unknown): string => {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return code === undefined || error.message.includes(code) ? error.message : `${error.message} (${code})`;
};

/** Data that can't be: a constraint, a value out of range, a row too large. */
const REFUSED = /^(?:21|22|23|54)/;
const REPEAT = new Set(['40001', '40P01']);
/** The database says that it does not know either. */
const UNKNOWN = new Set(['40003', '08007']);

/** @param mayBeKept the statement ends a transaction: when its answer is lost, so is what became of it */
export const failureOf = (error: unknown, mayBeKept: boolean): StoreFailure => {
  if (error instanceof StoreFailure) return error;
  const reason = reasonOf(error);
  const code = codeOf(error) ?? '';
  const say = (kind: FailureKind): StoreFailure => new StoreFailure(kind, reason, { cause: error });
  // Anything graver ends the connection, and may come after the commit.
  if (error instanceof DatabaseError && error.severity === 'ERROR' && !UNKNOWN.has(code)) {
    if (REPEAT.has(code)) return say('repeat');
    return say(REFUSED.test(code) ? 'refused' : 'not_kept');
  }
  return say(mayBeKept ? 'unknown' : 'not_kept');
};

/** A failed write, as the port says it. */
export const writeError = (error: unknown): DeskwireError => {
  if (error instanceof DeskwireError) return error;
  const failure = failureOf(error, true);
  return failure.kind === 'unknown'
    ? new DeskwireError('timeout', MESSAGES.unknown, { cause: failure.message })
    : new DeskwireError('unavailable', MESSAGES.not_kept, { cause: failure.message });
};

/** A failed read, as the port says it. */
export const readError = (error: unknown): DeskwireError =>
  error instanceof DeskwireError ? error : new DeskwireError('unavailable', MESSAGES.read, { cause: reasonOf(error) });
