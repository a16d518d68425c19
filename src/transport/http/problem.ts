import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { ERRORS, type DeskwireError, type ErrorObject } from '../../contract/errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457, with the fields of an error object beside its own. `type` is left out: it then means `about:blank`. */
export interface Problem extends Omit<ErrorObject, 'message'> {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

/** @param status when HTTP has a more exact one than the error's own */
export const problemOf = (error: DeskwireError, status: number = ERRORS[error.code].status): Problem => {
  const { message, ...rest } = error.toObject();
  return { title: STATUS_CODES[status] ?? 'Error', status, detail: message, ...rest };
};

/** RFC 9110 §10.2.3: whole seconds, and never "at once". */
export const retryAfter = ({ retryAfterMs }: Problem): string | undefined =>
  retryAfterMs === undefined ? undefined : String(Math.max(1, Math.ceil(retryAfterMs / 1000)));

export const sendProblem = (reply: FastifyReply, error: DeskwireError, status?: number): FastifyReply => {
  const problem = problemOf(error, status);
  const seconds = retryAfter(problem);
  if (seconds !== undefined) reply.header('retry-after', seconds);
  return reply.code(problem.status).header('cache-control', 'no-store').type(PROBLEM_TYPE).send(problem);
};

/** Headers and body for where there is no Fastify: before an upgrade, and on a socket that did not speak HTTP. */
export const rawProblem = (problem: Problem): { headers: Record<string, string>; body: string } => {
  const body = JSON.stringify(problem);
  const seconds = retryAfter(problem);
  return {
    headers: {
      'content-type': PROBLEM_TYPE,
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      ...(seconds === undefined ? {} : { 'retry-after': seconds }),
    },
    body,
  };
};

/** The same as the bytes of a whole response, after which the connection is over. */
export const rawResponse = (problem: Problem, extraHeaders: Readonly<Record<string, string>> = {}): string => {
  const { headers, body } = rawProblem(problem);
  const lines = Object.entries({ ...headers, ...extraHeaders, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `HTTP/1.1 ${String(problem.status)} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
};
