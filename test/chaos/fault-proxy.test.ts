import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.ts';
import { until } from '../support/until.ts';

/** A server that gives back what it gets, behind a proxy. */
const startEcho = async () => {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await FaultProxy.start((server.address() as AddressInfo).port);
  onTestFinished(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy, sockets };
};

const open = async (proxy: FaultProxy) => {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  const seen = { text: '', ended: false, error: undefined as string | undefined };
  socket.on('data', (bytes: Buffer) => (seen.text += bytes.toString('latin1')));
  socket.on('end', () => (seen.ended = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (seen.error = error.code));
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return { socket, seen };
};

describe('a line that can fail', () => {
  it('carries many bytes both ways, and an end each way', async () => {
    const { proxy } = await startEcho();
    const { socket, seen } = await open(proxy);
    const bytes = randomBytes(8_000_000);
    socket.end(bytes);
    await until('the end', () => seen.ended);
    const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
    expect(hash(Buffer.from(seen.text, 'latin1'))).toBe(hash(bytes));
    expect(seen.error).toBeUndefined();
  });

  it('is slow each way, and keeps the order when it is quick again', async () => {
    const { proxy } = await startEcho();
    const { socket, seen } = await open(proxy);
    proxy.delayMs = 60;
    const sentAt = performance.now();
    socket.write('a');
    await until('the echo', () => seen.text === 'a');
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(115);
    for (const letter of 'bcd') socket.write(letter);
    proxy.heal();
    for (const letter of 'efg') socket.write(letter);
    await until('all', () => seen.text.length === 7);
    expect(seen.text).toBe('abcdefg');
  });

  it.each(['toServer', 'toClient'] as const)('holds bytes %s, and lets them go', async (way) => {
    const { proxy, sockets } = await startEcho();
    const { socket, seen } = await open(proxy);
    socket.write('a');
    await until('the echo', () => seen.text === 'a');
    const [server] = sockets;
    proxy.stalled = way;
    socket.write('b');
    if (way === 'toClient') await until('the server to have it', () => server?.bytesRead === 2);
    else await new Promise((resolve) => setImmediate(resolve));
    expect(seen.text).toBe('a');
    const late = await open(proxy);
    late.socket.write('c');
    expect(seen.text + late.seen.text).toBe('a');
    proxy.heal();
    await until('both', () => seen.text === 'ab' && late.seen.text === 'c');
    expect(server?.bytesRead).toBe(2);
  });

  it('is cut on both sides, and takes new connections', async () => {
    const { proxy, sockets } = await startEcho();
    const { socket, seen } = await open(proxy);
    socket.write('a');
    await until('the echo', () => seen.text === 'a');
    proxy.cut();
    await until('the reset', () => seen.error === 'ECONNRESET');
    await until('the server to notice', () => [...sockets].every(({ destroyed }) => destroyed));
    const again = await open(proxy);
    again.socket.write('b');
    await until('the echo', () => again.seen.text === 'b');
  });

  it('refuses, and takes again', async () => {
    const { proxy } = await startEcho();
    proxy.refusing = true;
    const refused = await open(proxy).catch((error: unknown) => error as NodeJS.ErrnoException);
    const code = (): string | undefined => ('seen' in refused ? refused.seen.error : refused.code);
    await until('the reset', () => code() === 'ECONNRESET');
    proxy.heal();
    const { socket, seen } = await open(proxy);
    socket.write('a');
    await until('the echo', () => seen.text === 'a');
  });
});
