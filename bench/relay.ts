/**
 * The peer: a bare Socket.IO server as one would write it in an afternoon. It checks the same tokens and relays between two
 * parties; it stores nothing, orders nothing, checks no payload. Deskwire is measured against what the transport costs anyhow.
 */
import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';

const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const httpServer = createServer();
const io = new Server(httpServer);

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
  socket.on('join', async ({ room }: { room: string }, acknowledge: (reply: { ok: true }) => void) => {
    await socket.join(room);
    acknowledge({ ok: true });
  });
  socket.on('message:send', (message: { conversationId: string }, acknowledge: (reply: { ok: true }) => void) => {
    io.to(message.conversationId).emit('message:created', message);
    acknowledge({ ok: true });
  });
});

httpServer.listen(0, '127.0.0.1', () => {
  const { port } = httpServer.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${String(port)}` })}\n`);
});
