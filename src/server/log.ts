import pino, { type DestinationStream } from 'pino';
import type { Log } from '../ports/log.ts';

/** What must not be logged, should it stand in a field after all, one or two levels down. */
const SECRETS = ['token', 'authorization', 'cookie', 'secret', 'password', 'text', 'preview', 'metadata'];
const REDACTED_PATHS = SECRETS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** @default standard output */
  readonly destination?: DestinationStream;
}

/**
 * One JSON object a line: `level` as a word, `time` in ISO 8601, `msg`, and the fields given.
 * An `Error` in the field `err` or `error` is written with its stack and its causes.
 */
export const createLog = ({ level, destination }: LogOptions): Log => {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
  return {
    debug: (fields, message) => {
      logger.debug(fields, message);
    },
    info: (fields, message) => {
      logger.info(fields, message);
    },
    warn: (fields, message) => {
      logger.warn(fields, message);
    },
    error: (fields, message) => {
      logger.error(fields, message);
    },
  };
};
