import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate for any host, that signs itself. */
const certificate = (): { cert: Buffer; key: Buffer } => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-certificate-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...made, '-subj', '/CN=test', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  const files = { cert: readFileSync(cert), key: readFileSync(key) };
  rmSync(folder, { recursive: true, force: true });
  return files;
};

/** Where TLS ends, as at a load balancer: what it gets it passes on with the headers that say so. A page of a shop is served here, too. */
export const startLoadBalancer = async (
  port: number,
  to: number,
  pages: Readonly<Record<string, string>>,
): Promise<{ stop(): Promise<void> }> => {
  const open = new Set<Socket>();
  const passed = (incoming: IncomingMessage) =>
    request({
      ...{ host: '127.0.0.1', port: to, method: incoming.method, path: incoming.url },
      headers: {
        ...incoming.headers,
        'x-forwarded-for': incoming.socket.remoteAddress,
        'x-forwarded-proto': 'https',
      },
    });
  const server = createServer(certificate(), (incoming, response) => {
    const page = pages[incoming.headers.host ?? ''];
    if (page !== undefined) {
      response.setHeader('content-type', 'text/html').end(page);
      return;
    }
    const outgoing = passed(incoming);
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.on('upgrade', (incoming, socket) => {
    const outgoing = passed(incoming);
    outgoing.on('upgrade', (answer, upstream, first: Buffer) => {
      const headers = answer.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n`);
      socket.write(first);
      upstream.pipe(socket).pipe(upstream);
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    outgoing.on('response', () => socket.destroy());
    outgoing.on('error', () => socket.destroy());
    outgoing.end();
  });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
};
