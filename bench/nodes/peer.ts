/**
 * The peer: a bare Socket.IO server, several of which tell each other by the stock Redis adapter as its first example shows it
 * (`createAdapter`). As in relay.ts it checks the same tokens and stores nothing.
 */
import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';

const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const publisher = new Redis(process.env['REDIS_URL'] ?? '');
const httpServer = createServer();
const io = new Server(httpServer, { adapter: createAdapter(publisher, publisher.duplicate()) });

io.use((socket, next) => {
  const { token } = socket.handshake.auth as { token?: string };
  try {
    socket.data = jwt.verify(token ?? '', key, { algorithms: ['HS256'] });
    next();
  } catch (error) {
    next(error instanceof Error ? error : new Error('token refused'));
  }
});

type Acknowledge = (reply: { ok: true }) => void;

io.on('connection', (socket) => {
  socket.on('join', async ({ room }: { room: string }, acknowledge: Acknowledge) => {
    await socket.join(room);
    acknowledge({ ok: true });
  });
  socket.on('message:send', (message: { conversationId: string }, acknowledge: Acknowledge) => {
    io.to(message.conversationId).emit('message:created', message);
    acknowledge({ ok: true });
  });
});

httpServer.listen(0, '127.0.0.1', () => {
  const { port } = httpServer.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${String(port)}` })}\n`);
});
