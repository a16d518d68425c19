import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import { WebSocket } from 'ws';
import { messagePacket, packetHead } from '../../nodes/rooms.ts';
import { until } from '../../until.ts';
import type { Costs } from '../costs.ts';
import type { MeasuredDesk } from './desk.ts';

const MESSAGE_COUNT = 200;
const REQUEST = '420';

/** Both ways, without TCP's and IP's heads. */
const bytesOf = (socket: Socket | undefined): number => (socket?.bytesRead ?? 0) + (socket?.bytesWritten ?? 0);

/** A customer whose bytes are counted: what he gets of each message, and what keeps the connection alive for `seconds`. */
export const measureWire = async (desk: MeasuredDesk, seconds: number): Promise<Partial<Costs>> => {
  const [agent] = await desk.connect([{ sub: 'writer', role: 'agent' }], 1);
  const reply = await agent?.request('conversation:open', { customerId: 'counted' });
  const { id: conversationId } = (reply?.data as { conversation: { id: string } }).conversation;

  let line: Socket | undefined;
  let entryCount = 0;
  let isJoined = false;
  const url = new URL(desk.target.urls[0] ?? '');
  const socket = new WebSocket(`ws://${url.host}/socket.io/?EIO=4&transport=websocket`, {
    perMessageDeflate: false,
    createConnection: () => (line = connect(Number(url.port), url.hostname)),
  });
  const token = jwt.sign({ sub: 'counted', role: 'customer' }, desk.key, { algorithm: 'HS256', expiresIn: '1h' });
  socket.on('message', (data) => {
    const packet = (data as Buffer).toString();
    if (packet === '2') socket.send('3');
    else if (packet.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
    else if (packet.startsWith('42["session:ready"'))
      socket.send(`${REQUEST}${JSON.stringify(['conversation:join', { conversationId, afterSeq: 0 }])}`);
    else if (packet.startsWith('430')) isJoined = true;
    else if (packet.startsWith('42["message:created"')) entryCount += 1;
  });
  await once(socket, 'open');
  await until('the counted customer to have joined', () => isJoined);

  const head = packetHead(conversationId);
  const before = bytesOf(line);
  for (let number = 0; number < MESSAGE_COUNT; number += 1) agent?.send(messagePacket(head, number));
  await until('the counted messages', () => entryCount === MESSAGE_COUNT);
  const wireBytesPerDelivery = (bytesOf(line) - before) / MESSAGE_COUNT;
  agent?.close();
  // He is told that the agent has left.
  await wait(2_000);
  const idleFrom = bytesOf(line);
  await wait(seconds * 1_000);
  const wireBytesPerIdleSecond = (bytesOf(line) - idleFrom) / seconds;
  socket.terminate();
  return { wireBytesPerDelivery, wireBytesPerIdleSecond };
};
