import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { SETTING_NAMES } from '../../src/server/settings.ts';
import { SECRET } from '../support/server.ts';
import { until } from '../support/until.ts';
import { all, command, copies, environment, readDockerfile, type Stage } from './dockerfile.ts';
import { ROOT } from './project-files.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const [build, image, ...others] = readDockerfile(read('Dockerfile')) as [Stage, Stage, ...Stage[]];

/** The part of the Compose specification that is used here; what is not in it is taken for a slip of the pen. */
const Compose = z.strictObject({
  name: z.string(),
  services: z.record(
    z.string(),
    z.strictObject({
      build: z.string(),
      image: z.string(),
      init: z.boolean(),
      restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
      ports: z.array(z.string()),
      environment: z.record(z.string(), z.string()),
      volumes: z.array(z.string().regex(/^[a-z]+:\/[a-z]+$/)),
      healthcheck: z.strictObject({
        test: z.array(z.string()),
        interval: z.string(),
        timeout: z.string(),
        start_period: z.string(),
        retries: z.number(),
      }),
      stop_grace_period: z.string().regex(/^\d+s$/),
      cap_drop: z.array(z.string()),
      security_opt: z.array(z.string()),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});
const compose = Compose.parse(parse(read('docker-compose.yml')));
/** The last two are read by the client of S3. */
const settings: readonly string[] = [...SETTING_NAMES, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

describe('docker-compose.yml', () => {
  const service = compose.services['deskwire'];

  it('is one node, which needs a secret from the environment and keeps its data in a volume', () => {
    expect(Object.keys(compose.services)).toEqual(['deskwire']);
    expect(service?.environment['DESKWIRE_JWT_SECRET']).toMatch(/^\$\{DESKWIRE_JWT_SECRET:\?.+\}$/);
    expect(service?.volumes).toEqual([`data:${environment(image)['DATA_DIR'] ?? ''}`]);
    expect(compose.volumes).toHaveProperty('data');
  });

  it('sets what are settings, each from the variable of its own name', () => {
    for (const [name, value] of Object.entries(service?.environment ?? {})) {
      expect(settings).toContain(name);
      expect(value).toMatch(new RegExp(`^\\$\\{${name}:[-?][^}]*\\}$`));
    }
  });

  it('publishes the port that the image listens on, and asks it for its health', () => {
    const port = environment(image)['PORT'] ?? '';
    expect(service?.ports).toEqual([`\${PORT:-${port}}:${port}`]);
    expect(all(image, 'EXPOSE')).toEqual([port]);
    const [kind, ...probe] = service?.healthcheck.test ?? [];
    expect(kind).toBe('CMD');
    expect(probe.join(' ').replace(`127.0.0.1:${port}/`, "127.0.0.1:' + process.env.PORT + '/")).toBe(
      command(image, 'HEALTHCHECK').join(' '),
    );
  });

  it('waits for a drain before it kills', () => {
    expect(Number.parseInt(service?.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(
      DEFAULT_LIMITS.requestTimeoutMs + 5_000,
    );
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
