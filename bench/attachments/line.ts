import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Line } from './jobs.ts';

/** What the line takes in beyond what is under way; the rest waits at the sender. */
const BUFFER_BYTES = 65_536;
/** What leaves at once: about a network's packets. */
const SLICE_BYTES = 4_096;

/** One direction: a rate, a delay, and one order. */
const carry = (from: Socket, to: Socket, { bytesPerSecond, delayMs }: Line): void => {
  const bytesPerMs = bytesPerSecond / 1_000;
  const underWay: { readonly dueMs: number; readonly bytes: Buffer }[] = [];
  let freeAtMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    const now = performance.now();
    for (let [first] = underWay; first !== undefined && first.dueMs <= now; [first] = underWay) {
      to.write(first.bytes);
      underWay.shift();
    }
    if ((freeAtMs - now) * bytesPerMs < BUFFER_BYTES) from.resume();
    const [next] = underWay;
    if (next !== undefined) timer = setTimeout(deliver, next.dueMs - now);
  };
  from.on('data', (data: Buffer) => {
    const now = performance.now();
    for (let at = 0; at < data.length; at += SLICE_BYTES) {
      const bytes = data.subarray(at, at + SLICE_BYTES);
      freeAtMs = Math.max(freeAtMs, now) + bytes.length / bytesPerMs;
      underWay.push({ dueMs: freeAtMs + delayMs, bytes });
    }
    if ((freeAtMs - now) * bytesPerMs >= BUFFER_BYTES) from.pause();
    timer ??= setTimeout(deliver, 0);
  });
  from.on('error', () => undefined);
  from.on('close', () => to.destroy());
  from.setNoDelay();
};

/** A slow line to a server: both ways at the same rate and delay, and it takes in no more than a little ahead. */
export const slowLine = async (target: string, line: Line): Promise<{ url: string; close: () => void }> => {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ port: Number(port), host: hostname });
    carry(near, far, line);
    carry(far, near, line);
    sockets.add(near).add(far);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};
