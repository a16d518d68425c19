import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A line between client and server on which everything takes `delayMs`, each way. */
export const slowLine = async (url: string, delayMs: number): Promise<{ url: string; close: () => void }> => {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const carry = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs));
    from.on('end', () => setTimeout(() => to.end(), delayMs));
    from.on('close', () => setTimeout(() => to.destroy(), delayMs));
    from.on('error', () => undefined);
    sockets.add(from);
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    carry(near, far);
    carry(far, near);
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
