import { afterAll, afterEach, beforeAll } from 'vitest';
import { Clients, type TestClient } from './client.ts';
import { startServer, type Identity, type TestServer, type TestServerOptions } from './server.ts';

export interface EndToEnd {
  readonly server: () => TestServer;
  readonly clients: Clients;
  /** Connects, signed in. */
  readonly connect: (identity: Identity, options?: Record<string, unknown>) => Promise<TestClient>;
  /** An id that nobody in this file has yet. */
  readonly someone: () => string;
}

/** One server for the tests of a file; connections are closed after each test. */
export const endToEnd = (options?: TestServerOptions): EndToEnd => {
  let server: TestServer | undefined;
  const clients = new Clients();
  let people = 0;
  beforeAll(async () => {
    server = await startServer(options);
  });
  afterEach(() => {
    clients.closeAll();
  });
  afterAll(async () => {
    await server?.stop();
  });
  const started = (): TestServer => {
    if (server === undefined) throw new Error('the server has not started');
    return server;
  };
  return {
    server: started,
    clients,
    connect: (identity, more) => clients.connect(started().url, identity, more),
    someone: () => `person-${String((people += 1))}`,
  };
};
