import { afterAll, afterEach, beforeAll } from 'vitest';
import { Clients, type TestClient } from './client.ts';
import { lookInto, type Look } from './look.ts';
import { startNodes } from './nodes.ts';
import { startServer, type Identity, type TestServer, type TestServerOptions } from './server.ts';

/** On how many nodes these tests run; people are spread over them. @default one, with SQLite inside */
const NODE_COUNT = Number(process.env['TEST_NODES'] ?? 1);
/** For what each node counts for itself, and for what others hear of a moment later. */
export const onOneNode = NODE_COUNT === 1;

/** One server, or several nodes that share everything. */
export interface Spread {
  readonly servers: readonly [TestServer, ...TestServer[]];
  /** At what they keep of attachments. */
  readonly look: Look;
  /** Where the next one connects: to each in turns. */
  nextUrl(): string;
  /** Drains all, and removes the data. */
  stop(): Promise<void>;
}

/** As many as these tests run on. */
export const startSpread = async (options: Omit<TestServerOptions, 'dataDir'> = {}): Promise<Spread> => {
  const started = onOneNode ? undefined : await startNodes({ count: NODE_COUNT, ...options });
  const [first = await startServer(options), ...others] = started?.servers ?? [];
  const servers = [first, ...others] as const;
  let connected = 0;
  return {
    servers: [...servers],
    look: started?.look ?? lookInto(first.dataDir),
    nextUrl: () => {
      connected += 1;
      return (servers[connected % servers.length] ?? first).url;
    },
    stop: () => (started ?? first).stop(),
  };
};

export interface EndToEnd {
  /** The first of them. */
  readonly server: () => TestServer;
  readonly servers: () => readonly TestServer[];
  readonly clients: Clients;
  /** Connects, signed in. */
  readonly connect: (identity: Identity, options?: Record<string, unknown>) => Promise<TestClient>;
  /** At what is kept of attachments. */
  readonly look: Look;
  /** An id that nobody in this file has yet. */
  readonly someone: () => string;
}

/** One server, or several nodes, for the tests of a file; connections are closed after each test. */
export const endToEnd = (options?: Omit<TestServerOptions, 'dataDir'>): EndToEnd => {
  let spread: Spread | undefined;
  const clients = new Clients();
  let people = 0;
  beforeAll(async () => {
    spread = await startSpread(options);
  });
  afterEach(() => {
    clients.closeAll();
  });
  afterAll(async () => {
    await spread?.stop();
  });
  const started = (): Spread => {
    if (spread === undefined) throw new Error('the server has not started');
    return spread;
  };
  return {
    server: () => started().servers[0],
    servers: () => started().servers,
    clients,
    connect: (identity, more) => clients.connect(started().nextUrl(), identity, more),
    look: {
      rows: (conversationId) => started().look.rows(conversationId),
      usage: (tenant) => started().look.usage(tenant),
      files: () => started().look.files(),
    },
    someone: () => `person-${String((people += 1))}`,
  };
};
