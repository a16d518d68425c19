import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance } from 'fastify';
import { DeskwireError } from '../../contract/errors.ts';
import type { Log } from '../../ports/log.ts';
import { problemOf, rawResponse, sendProblem } from './problem.ts';

/** What Fastify raises by itself, in our words. Anything else thrown is ours already, or a defect. */
const translate = (error: FastifyError): DeskwireError | undefined => {
  switch (error.statusCode ?? 500) {
    case 400:
      return new DeskwireError(
        'invalid_payload',
        'The request could not be read; expected valid HTTP and a JSON body.',
        {
          cause: error,
        },
      );
    case 413:
      return new DeskwireError('payload_too_large', undefined, { cause: error });
    case 414:
      return new DeskwireError('payload_too_large', 'The address of the request is too long.', { cause: error });
    case 415:
      return new DeskwireError('unsupported_media_type', 'Expected a body of type application/json.', { cause: error });
    default:
      return undefined;
  }
};

/** The one funnel from whatever was thrown to a problem. Causes are logged and never sent. */
export const toDeskwireError = (error: FastifyError, log: Log): DeskwireError => {
  if (error instanceof DeskwireError) return error;
  const known = translate(error);
  if (known !== undefined) return known;
  log.error({ err: error }, 'an HTTP request failed');
  return new DeskwireError('internal');
};

/** Answers for requests that reach no handler: broken ones, unknown paths, and known paths with another method. */
export const errorAnswers = (app: FastifyInstance, log: Log): void => {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set<string>();
    for (const name of [method].flat()) known.add(name);
    methods.set(url, known);
  });

  app.setErrorHandler((error: FastifyError, _request, reply) => sendProblem(reply, toDeskwireError(error, log)));
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods.get(request.url.split('?')[0] ?? '');
    if (allowed === undefined) {
      return sendProblem(reply, new DeskwireError('not_found', 'There is nothing at this address; see /docs.'));
    }
    const list = [...allowed].sort().join(', ');
    reply.header('allow', list);
    return sendProblem(
      reply,
      new DeskwireError('not_found', `This address does not take that method; use ${list}.`),
      405,
    );
  });
};

/** For a socket that did not speak HTTP well enough to become a request. */
export const answerBrokenRequest = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'The headers are too large.']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'The request did not arrive in time.']
        : [400, 'This is not a valid HTTP request.'];
  socket.end(rawResponse(problemOf(new DeskwireError('invalid_payload', message), status)));
};
