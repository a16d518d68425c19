import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests of one connection that may wait for an answer. Browsers and proxies send the next one after it. */
const MAX_WAITING = 4;

/** Closes connections that send request after request without reading an answer: all of them would be held in memory. */
export const boundPipelining = (app: FastifyInstance): void => {
  const waiting = new WeakMap<Socket, number>();
  app.server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    if (count > MAX_WAITING) socket.destroy();
  });
  // Requests that had come before it was closed are read to their end; nobody is there to be answered.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.raw.socket.destroyed) reply.hijack();
    else done();
  });
};
