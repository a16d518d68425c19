import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { Role } from './roles.ts';

/** One request: an event with one object and an acknowledgement. */
export interface RequestSpec<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly title: string;
  readonly description: string;
  /** Who may send it; the role is checked before the payload, the payload before the object. */
  readonly roles: readonly Role[];
  readonly payload: P;
  /** `data` of the reply `{ ok: true, data }`. Never run against live traffic: it documents, types and tests. */
  readonly reply: R;
  /** What it can raise beyond COMMON_ERRORS. */
  readonly errors: readonly ErrorCode[];
  readonly examples: readonly { payload: z.input<P>; reply: z.output<R> }[];
  /**
   * Whether the next request of the connection may start once this one has its place in the log,
   * before it is committed. Only requests that take effect in the order in which they are started qualify.
   * @default false
   */
  readonly pipelined?: boolean;
  /**
   * Whether it holds nothing up any more once it has its place, not even a request that runs alone: for what takes long
   * and touches nothing that other requests of the connection read.
   * @default false
   */
  readonly aside?: boolean;
  /** It moves bytes: limits.chunksPerSecond and chunksInFlight bound it, instead of those of requests. @default false */
  readonly bulk?: boolean;
}

export const request = <P extends z.ZodType, R extends z.ZodType>(spec: RequestSpec<P, R>): RequestSpec<P, R> => spec;

/** One event from the server: a durable fact, an ephemeral signal, or a notice to one connection. */
export interface EventSpec<P extends z.ZodType = z.ZodType> {
  readonly title: string;
  readonly description: string;
  /**
   * `fact`: an entry, kept, delivered in order and exactly once. `ephemeral`: not kept, dropped first when a
   * reader is slow. `session`: to one connection, about that connection.
   */
  readonly kind: 'fact' | 'ephemeral' | 'session';
  readonly payload: P;
  readonly examples: readonly z.output<P>[];
}

export const event = <P extends z.ZodType>(spec: EventSpec<P>): EventSpec<P> => spec;
