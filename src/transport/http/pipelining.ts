import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait for an answer. Browsers and proxies send the next one after it. */
const MAX_WAITING = 4;

/** Closes connections that send request after request without reading an answer: all of them would be held in memory. */
export const boundPipelining = (server: Server): void => {
  const waiting = new WeakMap<Socket, number>();
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    if (count > MAX_WAITING) socket.destroy();
  });
};
