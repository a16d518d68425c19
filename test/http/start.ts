import { DeskwireError } from '../../src/contract/errors.ts';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { secretKey } from '../../src/auth/keys.ts';
import { createVisitors } from '../../src/auth/visitors.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import type { Log } from '../../src/ports/log.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { createHttp, type HttpOptions } from '../../src/transport/http/http.ts';
import { sampleDocument } from './sample-document.ts';

export const SECRET = 'a secret for tests, of at least 32 bytes';

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

export const keepLog = (): { log: Log; lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
};

/** The HTTP side on a free port, closed when the test ends. */
export const startHttp = async (overrides: Partial<HttpOptions> = {}) => {
  const { log, lines } = keepLog();
  const app = createHttp({
    production: true,
    allowedOrigins: ['https://shop.example'],
    limits: DEFAULT_LIMITS,
    trustedProxyCount: 0,
    clock: systemClock,
    log,
    document: { yaml: 'asyncapi: 3.0.0\n', json: JSON.stringify(sampleDocument) },
    readiness: () => Promise.resolve([]),
    metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'up 1\n' }),
    issueVisitor: createVisitors({
      key: secretKey(SECRET),
      tenant: 'default',
      ttlSeconds: 86_400,
      clock: systemClock,
    }),
    openDownload: () => Promise.reject(new DeskwireError('not_found')),
    ...overrides,
  });
  onTestFinished(() => app.close());
  await app.ready();
  await new Promise<void>((resolve) => {
    app.server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = app.server.address() as AddressInfo;
  return { app, port, lines, url: `http://127.0.0.1:${String(port)}` };
};
