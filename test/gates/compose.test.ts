import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { loadConfig } from '../../src/server/config.ts';
import { SETTING_NAMES } from '../../src/server/settings.ts';
import { DEFAULT_POOL_SIZE } from '../../src/store/postgres/store.ts';
import { environmentOf, interpolate, readCompose } from '../deploy/compose-file.ts';
import { SECRET } from '../support/server.ts';
import { until } from '../support/until.ts';
import { all, command, copies, environment, readDockerfile, type Stage } from './dockerfile.ts';
import { ROOT } from './project-files.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const [build, image, ...others] = readDockerfile(read('Dockerfile')) as [Stage, Stage, ...Stage[]];

const duration = z.string().regex(/^\d+s$/);
const text = z.string().min(1);

/** The part of the Compose specification that is used here; what is not in it is taken for a slip of the pen. */
const Service = z.strictObject({
  build: z.string().optional(),
  // A release by its number: what is tried out today is what runs tomorrow.
  image: z.string().regex(/^(?:deskwire|[a-z]+:\d[\w.-]*)$/),
  user: z.string().optional(),
  init: z.boolean().optional(),
  command: z.array(text).optional(),
  restart: z.enum(['always', 'unless-stopped']),
  ports: z.array(z.string().regex(/^\$\{PORT:-\d+\}:\d+$/)).optional(),
  environment: z.record(z.string().regex(/^[A-Z0-9_]+$/), text).optional(),
  volumes: z.array(z.string().regex(/^(?:[a-z0-9]+:\/[\w./-]+|\.\/[\w./-]+:\/[\w./-]+:ro)$/)).optional(),
  tmpfs: z.array(z.string().startsWith('/')).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).optional(),
  healthcheck: z.strictObject({
    test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], text),
    interval: duration,
    timeout: duration,
    start_period: duration,
    retries: z.int().positive(),
  }),
  stop_grace_period: duration,
  shm_size: z
    .string()
    .regex(/^\d+mb$/)
    .optional(),
  ulimits: z.strictObject({ nofile: z.int() }).optional(),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  networks: z.union([z.array(text), z.record(z.string(), z.strictObject({ ipv4_address: z.ipv4() }))]).optional(),
});
const Compose = z.strictObject({
  name: z.string(),
  'x-hardened': z.unknown().optional(),
  'x-node': z.unknown().optional(),
  services: z.record(z.string(), Service),
  networks: z
    .record(
      z.string(),
      z.strictObject({ ipam: z.strictObject({ config: z.array(z.strictObject({ subnet: z.cidrv4() })) }) }),
    )
    .optional(),
  volumes: z.record(z.string(), z.null()),
});
type ComposeService = z.output<typeof Service>;

/** The last two are read by the client of S3. */
const settings: readonly string[] = [...SETTING_NAMES, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const imageSettings = environment(image);
const port = imageSettings['PORT'] ?? '';
const SECRETS = ['DESKWIRE_JWT_SECRET', 'POSTGRES_PASSWORD', 'REDIS_PASSWORD'];

describe.each(['docker-compose.yml', 'deploy/one-node.yml'])('%s', (path) => {
  const compose = Compose.parse(readCompose(path));
  const services = Object.entries(compose.services);
  const nodes = services.filter(([, service]) => service.build !== undefined);
  const networksOf = ({ networks = [] }: ComposeService): string[] =>
    Array.isArray(networks) ? networks : Object.keys(networks);

  it('declares every volume and network that is used, and uses what it declares', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''));
    const named = mounts.filter((source) => !source.startsWith('.'));
    expect([...new Set(named)].sort()).toEqual(Object.keys(compose.volumes).sort());
    const used = new Set(services.flatMap(([, service]) => networksOf(service)));
    expect([...used]).toEqual(Object.keys(compose.networks ?? {}));
    for (const source of mounts.filter((mount) => mount.startsWith('.')))
      expect(existsSync(join(ROOT, dirname(path), source)), source).toBe(true);
  });

  it('waits for services that there are', () => {
    for (const [name, { depends_on = {} }] of services)
      for (const other of Object.keys(depends_on))
        expect(compose.services, `${name} waits for ${other}`).toHaveProperty(other);
  });

  it('publishes one port', () => {
    expect(services.flatMap(([, { ports = [] }]) => ports)).toHaveLength(1);
  });

  it('takes secrets from the environment and does not start without them', () => {
    for (const secret of SECRETS) {
      const uses = [...read(path).matchAll(new RegExp(`\\$\\{?${secret}\\b[^}]*`, 'g'))].map(([use]) => use);
      for (const use of uses) expect(use).toMatch(/^\$\{\w+:\?set it to .+openssl rand/);
    }
    const complete = Object.fromEntries(SECRETS.map((secret) => [secret, 'x'.repeat(32)]));
    const values = services.flatMap(([, { environment: set = {}, command: run = [] }]) => [
      ...Object.values(set),
      ...run,
    ]);
    for (const value of values) interpolate(value, complete);
    for (const [, { environment: set = {} }] of nodes)
      expect(() => interpolate(set['DESKWIRE_JWT_SECRET'] ?? '', {})).toThrow('DESKWIRE_JWT_SECRET is not set');
  });

  it('sets what are settings, each from the variable of its own name', () => {
    for (const [, { environment: set = {} }] of nodes) {
      for (const [name, value] of Object.entries(set)) {
        expect(settings).toContain(name);
        if (name === 'DATABASE_URL' || name === 'REDIS_URL') continue;
        expect(value).toMatch(new RegExp(`^\\$\\{${name}:[-?][^}]*\\}$`));
      }
    }
  });

  it('asks nodes for their health as the image does, and waits for a drain before it kills', () => {
    expect(nodes.length).toBeGreaterThan(0);
    for (const [, { healthcheck, stop_grace_period, build }] of nodes) {
      expect(existsSync(join(ROOT, dirname(path), build ?? '', 'Dockerfile'))).toBe(true);
      const [kind, ...probe] = healthcheck.test;
      expect(kind).toBe('CMD');
      expect(probe.join(' ').replace(`127.0.0.1:${port}/`, "127.0.0.1:' + process.env.PORT + '/")).toBe(
        command(image, 'HEALTHCHECK').join(' '),
      );
      // What waits, closes and is told to others after the requests takes ten seconds at most.
      expect(Number.parseInt(stop_grace_period, 10) * 1000).toBeGreaterThan(DEFAULT_LIMITS.requestTimeoutMs + 15_000);
    }
  });
});

describe('docker-compose.yml', () => {
  const { services, networks, volumes } = Compose.parse(readCompose('docker-compose.yml'));
  const { node1, node2, node3, proxy, postgres, redis } = services;
  const nodes = [node1, node2, node3];
  const addresses = nodes.map((node) =>
    node?.networks === undefined || Array.isArray(node.networks) ? '' : (node.networks['desk']?.ipv4_address ?? ''),
  );

  it('is three nodes, alike but for their address and folder, with what they share', () => {
    expect(Object.keys(services).sort()).toEqual(['node1', 'node2', 'node3', 'postgres', 'proxy', 'redis']);
    const alike = nodes.map((node) => ({ ...node, networks: [], volumes: [] }));
    expect(alike[1]).toEqual(alike[0]);
    expect(alike[2]).toEqual(alike[0]);
    expect(nodes.map((node) => node?.volumes)).toEqual(
      ['node1', 'node2', 'node3'].map((name) => [
        `${name}:${imageSettings['DATA_DIR'] ?? ''}`,
        'attachments:/attachments',
      ]),
    );
    expect(all(image, 'RUN').join()).toContain('-o node -g node -m 0700 /data /attachments');
    expect(interpolate(node1?.environment?.['ATTACHMENTS_URL'] ?? '', {})).toBe('file:/attachments');
    expect(volumes).toHaveProperty('attachments');
  });

  it('lets every setting be set, but for those that follow from being one of its nodes', () => {
    const fixed = ['NODE_ENV', 'HOST', 'PORT', 'DATA_DIR'];
    // A program that the image does not have, and the keys beside the one that is asked for.
    const others = ['ATTACHMENTS_SCAN_COMMAND', 'DESKWIRE_JWT_PUBLIC_KEY', 'DESKWIRE_JWKS_URL'];
    expect(Object.keys(node1?.environment ?? {}).sort()).toEqual(
      settings.filter((name) => ![...fixed, ...others].includes(name)).sort(),
    );
    expect(Object.keys(imageSettings).sort()).toEqual([...fixed].sort());
  });

  it('is a configuration that the program takes', () => {
    const secrets = Object.fromEntries(SECRETS.map((secret) => [secret, 'x'.repeat(32)]));
    const {
      database,
      redis: place,
      trustedProxyCount,
    } = loadConfig({ ...imageSettings, ...environmentOf('node1', secrets) });
    expect(database).toEqual({ kind: 'postgres', url: `postgres://deskwire:${'x'.repeat(32)}@postgres:5432/deskwire` });
    expect(place).toMatchObject({ kind: 'single', endpoint: { host: 'redis', port: 6379 } });
    expect(trustedProxyCount).toBe(1);
  });

  it('names the database and the passwords alike on both sides', () => {
    const { POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD } = postgres?.environment ?? {};
    expect(node1?.environment?.['DATABASE_URL']).toBe(
      `postgres://${POSTGRES_USER ?? ''}:${POSTGRES_PASSWORD ?? ''}@postgres:5432/${POSTGRES_DB ?? ''}`,
    );
    const password = redis?.command?.at(-1) ?? '';
    expect(node1?.environment?.['REDIS_URL']).toBe(`redis://:${password}@redis:6379`);
    expect(redis?.environment?.['REDISCLI_AUTH']).toBe(password);
    expect(redis?.command?.slice(0, -1)).toEqual(['redis-server', '/etc/redis.conf', '--requirepass']);
    expect(redis?.volumes).toEqual(['./deploy/redis.conf:/etc/redis.conf:ro']);
  });

  it('has a database with connections for twice its nodes, and reserves', () => {
    const setting = postgres?.command?.find((word) => word.startsWith('max_connections='));
    expect(Number(setting?.split('=')[1])).toBeGreaterThanOrEqual(2 * nodes.length * DEFAULT_POOL_SIZE + 20);
  });

  it('gives the proxy the configuration that names its nodes, and nothing else', () => {
    expect(proxy?.volumes).toEqual(['./deploy/nginx.conf:/etc/nginx/nginx.conf:ro']);
    const configuration = read('deploy/nginx.conf');
    const [published, inside] = proxy?.ports?.[0]?.split('}:') ?? [];
    expect(published).toBe(`\${PORT:-${port}`);
    expect(configuration).toContain(`listen ${inside ?? ''};`);
    const named = new Set([...configuration.matchAll(/\d+\.\d+\.\d+\.\d+:\d+/g)].map(([address]) => address));
    expect([...named].sort()).toEqual(addresses.map((address) => `${address}:${port}`));
    expect(all(image, 'EXPOSE')).toEqual([port]);
    const [subnet = ''] = networks?.['desk']?.ipam.config.map((config) => config.subnet) ?? [];
    for (const address of addresses) expect(address.startsWith(subnet.replace('0/24', ''))).toBe(true);
    // One that has a load balancer before it counts two.
    expect(interpolate(node1?.environment?.['DESKWIRE_TRUSTED_PROXIES'] ?? '', {})).toBe('1');
    expect(Object.keys(proxy?.depends_on ?? {})).toEqual(['node1', 'node2', 'node3']);
  });

  it('lets bodies through the proxy that nodes take', () => {
    const megabytes = Number(/client_max_body_size (\d+)m;/.exec(read('deploy/nginx.conf'))?.[1]);
    expect(megabytes * 1024 * 1024).toBe(DEFAULT_LIMITS.frameBytes);
  });
});

describe('Dockerfile', () => {
  it('builds in one stage and runs in another, of the same release, as nobody special', () => {
    expect(others).toEqual([]);
    expect(build.name).toBe('build');
    expect(image.image).toBe(`${build.image}-slim`);
    expect(all(image, 'USER')).toEqual(['node']);
    expect(command(image, 'VOLUME')).toEqual([environment(image)['DATA_DIR']]);
    expect(all(image, 'HEALTHCHECK')[0]).toContain('/readyz');
    const major = Number(/^node:(\d+)/.exec(build.image)?.[1]);
    expect((JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node).toMatch(
      new RegExp(`^>=${String(major)}\\.`),
    );
  });

  it('sets what are settings', () => {
    for (const name of Object.keys(environment(image))) expect(settings).toContain(name);
  });

  it('copies what is there and what .dockerignore lets through', () => {
    const [everything, ...kept] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(everything).toBe('*');
    const copied = [...copies(build), ...copies(image)].flatMap(({ from }) => from);
    for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true);
    expect(kept.map((line) => line.replace('!', '')).sort()).toEqual([...new Set(copied)].sort());
  });
});

/** Copies what `npm ci --omit=dev` installs, from what is installed here: nothing is fetched. */
const installProduction = (folder: string): void => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { dev?: boolean }> };
  for (const [path, { dev }] of Object.entries(packages)) {
    // Not there: made for another system.
    if (path === '' || dev === true || !existsSync(join(ROOT, path))) continue;
    const nested = (from: string): boolean => from === join(ROOT, path) || basename(from) !== 'node_modules';
    cpSync(join(ROOT, path), join(folder, path), { recursive: true, filter: nested });
  }
};

const freePort = async (): Promise<string> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
};

describe('what the Dockerfile makes', () => {
  it('builds from what it copies, and runs with the packages of production alone', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'deskwire-image-'));
    onTestFinished(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const built = join(folder, 'build');
    const app = join(folder, 'app');
    const copyInto = (stage: Stage, target: string): void => {
      mkdirSync(target, { recursive: true });
      for (const { from, to } of copies(stage)) {
        for (const path of from)
          cpSync(join(ROOT, path), join(target, to, to.endsWith('/') ? basename(path) : ''), { recursive: true });
      }
    };
    copyInto(build, built);
    expect(all(build, 'RUN')).toEqual(['npm ci', 'npm run build', 'npm prune --omit=dev']);
    symlinkSync(join(ROOT, 'node_modules'), join(built, 'node_modules'));
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: built, stdio: 'pipe' });

    copyInto(image, app);
    expect(all(image, 'COPY').filter((text) => text.startsWith('--from'))).toEqual([
      '--from=build /app/node_modules ./node_modules',
      '--from=build /app/dist ./dist',
    ]);
    installProduction(app);
    expect(existsSync(join(app, 'node_modules/typescript'))).toBe(false);
    cpSync(join(built, 'dist'), join(app, 'dist'), { recursive: true });

    // As in the image, but for the folder and the port, which are not ours alone here.
    const PORT = await freePort();
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...environment(image),
      PORT,
      DATA_DIR: join(folder, 'data'),
      DESKWIRE_JWT_SECRET: SECRET,
    };
    const [program = '', ...args] = command(image, 'CMD');
    const child = spawn(program, args, { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until(
      'the ready line',
      () => {
        if (child.exitCode !== null) throw new Error(output);
        return output.includes('"msg":"listening"');
      },
      30_000,
    );

    const [probe = '', ...probeArgs] = command(image, 'HEALTHCHECK');
    const healthy = (): number | null => spawnSync(probe, probeArgs, { cwd: app, env, stdio: 'ignore' }).status;
    expect(healthy()).toBe(0);
    const url = `http://127.0.0.1:${PORT}`;
    expect((await fetch(`${url}/docs`)).status).toBe(200);
    expect((await fetch(`${url}/docs/assets/asyncapi.js`)).status).toBe(200);
    expect((await fetch(`${url}/socket.io/socket.io.js`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await until('the end', () => child.exitCode)).toBe(0);
    expect(healthy()).toBe(1);
  });
});
