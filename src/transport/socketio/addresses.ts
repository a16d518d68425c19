import type { IncomingMessage } from 'node:http';
import { clientAddress } from '../http/address.ts';
import type { DeskwireServer } from './rooms.ts';

interface RawConnection {
  readonly request: IncomingMessage;
  once(event: 'close', listener: () => void): void;
}

/** Counts open connections by network address, signed in or not. */
export const countAddresses = (
  io: DeskwireServer,
  trustedProxyCount: number,
): { connectionsFrom: (address: string) => number } => {
  const counts = new Map<string, number>();
  io.engine.on('connection', (connection: RawConnection) => {
    const address = clientAddress(connection.request, trustedProxyCount);
    counts.set(address, (counts.get(address) ?? 0) + 1);
    connection.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
  });
  return { connectionsFrom: (address) => counts.get(address) ?? 0 };
};
