/**
 * The peer: a bare Socket.IO server that takes files as the documentation shows it, a whole file in one event, with
 * `maxHttpBufferSize` raised, and writes it to disk. It looks at nothing and keeps no record of it. Small messages are relayed
 * between two parties, as in relay.ts.
 */
import { createHash, createSecretKey } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';

/** As large as an attachment may be by default, and what goes with it. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;

interface Acknowledgement {
  readonly ok: boolean;
  readonly data?: unknown;
}
type Acknowledge = (reply: Acknowledgement) => void;

const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const folder = process.env['DATA_DIR'] ?? '.';
const httpServer = createServer();
const io = new Server(httpServer, { maxHttpBufferSize: MAX_FRAME_BYTES });

const hashOf = async (name: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(join(folder, basename(name)))) hash.update(piece as Buffer);
  return hash.digest('hex');
};

io.use((socket, next) => {
  const { token } = socket.handshake.auth as { token?: string };
  try {
    socket.data = jwt.verify(token ?? '', key, { algorithms: ['HS256'] });
    next();
  } catch (error) {
    next(error instanceof Error ? error : new Error('token refused'));
  }
});

io.on('connection', (socket) => {
  const answer = (acknowledge: Acknowledge, data: Promise<unknown>): void => {
    data.then(
      (value) => acknowledge({ ok: true, data: value }),
      () => acknowledge({ ok: false }),
    );
  };
  socket.on('join', ({ room }: { room: string }, acknowledge: Acknowledge) => {
    answer(acknowledge, Promise.resolve(socket.join(room)));
  });
  socket.on('message:send', (message: { conversationId: string }, acknowledge: Acknowledge) => {
    io.to(message.conversationId).emit('message:created', message);
    acknowledge({ ok: true });
  });
  socket.on('file', ({ name, data }: { name: string; data: Buffer }, acknowledge: Acknowledge) => {
    answer(acknowledge, writeFile(join(folder, basename(name)), data));
  });
  socket.on('chunk', (_: unknown, acknowledge: Acknowledge) => {
    acknowledge({ ok: true });
  });
  socket.on('hash', ({ name }: { name: string }, acknowledge: Acknowledge) => {
    answer(acknowledge, hashOf(name));
  });
});

httpServer.listen(0, '127.0.0.1', () => {
  const { port } = httpServer.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${String(port)}` })}\n`);
});
