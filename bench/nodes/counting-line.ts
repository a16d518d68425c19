import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';

/** How Redis begins a message to a subscriber (RESP2): classic, by pattern, sharded. No payload has a line end in it. */
const DELIVERIES = ['$7\r\nmessage\r\n', '$8\r\npmessage\r\n', '$8\r\nsmessage\r\n'].map((text) => Buffer.from(text));
const LONGEST = Math.max(...DELIVERIES.map(({ length }) => length));

/** How often one of them ends in `bytes`, of which the first `known` were looked at before. */
const countDeliveries = (bytes: Buffer, known: number): number => {
  let count = 0;
  for (const mark of DELIVERIES)
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length))
      if (at + mark.length > known) count += 1;
  return count;
};

/** The line between one node and Redis, on which the messages that Redis sends to the node are counted. */
export class CountingLine {
  readonly #server: Server;
  deliveryCount = 0;

  private constructor(server: Server, redisPort: number) {
    this.#server = server;
    server.on('connection', (node) => {
      const redis = connect({ port: redisPort, host: '127.0.0.1', noDelay: true });
      for (const socket of [node, redis]) socket.on('error', () => undefined);
      node.pipe(redis);
      redis.pipe(node);
      let tail: Buffer = Buffer.alloc(0);
      redis.on('data', (bytes: Buffer) => {
        const all = Buffer.concat([tail, bytes]);
        this.deliveryCount += countDeliveries(all, tail.length);
        tail = all.subarray(-LONGEST);
      });
      node.once('close', () => redis.destroy());
      redis.once('close', () => node.destroy());
    });
  }

  static async start(redisPort: number): Promise<CountingLine> {
    const server = createServer({ noDelay: true });
    const line = new CountingLine(server, redisPort);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return line;
  }

  get url(): string {
    return `redis://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Nobody is on it any more. */
  close(): void {
    this.#server.close();
  }
}
