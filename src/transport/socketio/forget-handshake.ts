import { ServerResponse } from 'node:http';
import type { Socket } from 'socket.io';
import type { DeskwireServer } from './rooms.ts';

const NOTHING = Object.freeze({});

/** Keeps Engine.IO's stand-in for the response of an upgrade from holding the request for as long as the connection lives. */
export const forgetUpgrades = (io: DeskwireServer): void => {
  io.engine.use((_request: unknown, response: object, next: () => void) => {
    // The headers of an upgrade are kept with the request; a real response needs its request to the end.
    if (!(response instanceof ServerResponse)) (response as { req: unknown }).req = undefined;
    next();
  });
};

/** What a connection brought with it to sign in is 3 KiB that nothing needs any more, and has its token among it. */
export const forgetHandshake = (socket: Socket): void => {
  const held = socket as unknown as { handshake: object; data: object; conn: { request: unknown } };
  held.handshake = NOTHING;
  held.data = NOTHING;
  held.conn.request = undefined;
};
