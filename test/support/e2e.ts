import { afterAll, afterEach, beforeAll } from 'vitest';
import { Clients, type TestClient } from './client.ts';
import { startNodes, type TestNodes } from './nodes.ts';
import { startServer, type Identity, type TestServer, type TestServerOptions } from './server.ts';

/** On how many nodes these tests run; people are spread over them. @default one, with SQLite inside */
const NODE_COUNT = Number(process.env['TEST_NODES'] ?? 1);
/** For what each node counts for itself, and for what others hear of a moment later. */
export const onOneNode = NODE_COUNT === 1;

export interface EndToEnd {
  readonly server: () => TestServer;
  readonly clients: Clients;
  /** Connects, signed in. */
  readonly connect: (identity: Identity, options?: Record<string, unknown>) => Promise<TestClient>;
  /** An id that nobody in this file has yet. */
  readonly someone: () => string;
}

/** One server, or several nodes, for the tests of a file; connections are closed after each test. */
export const endToEnd = (options?: TestServerOptions): EndToEnd => {
  let server: TestServer | undefined;
  let nodes: TestNodes | undefined;
  let connected = 0;
  const clients = new Clients();
  let people = 0;
  beforeAll(async () => {
    if (NODE_COUNT === 1) {
      server = await startServer(options);
      return;
    }
    nodes = await startNodes({ count: NODE_COUNT, ...options });
    server = nodes.servers[0];
  });
  afterEach(() => {
    clients.closeAll();
  });
  afterAll(async () => {
    await (nodes ?? server)?.stop();
  });
  const started = (): TestServer => {
    if (server === undefined) throw new Error('the server has not started');
    return server;
  };
  return {
    server: started,
    clients,
    connect: (identity, more) => {
      connected += 1;
      const { url } = nodes?.servers[connected % NODE_COUNT] ?? started();
      return clients.connect(url, identity, more);
    },
    someone: () => `person-${String((people += 1))}`,
  };
};
