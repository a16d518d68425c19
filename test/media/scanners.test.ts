import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createClamdScanner } from '../../src/media/scan-clamd.ts';
import { createScanCommand } from '../../src/media/scan-command.ts';
import { sha256Of, testFolder } from '../support/files.ts';
import {
  CLAMD_THREAT,
  COMMAND_THREAT,
  scanCommand,
  startClamd,
  type ClamdMode,
  type CommandMode,
} from '../support/scanners.ts';
import { until } from '../support/until.ts';

const fileOf = (bytes: Uint8Array, name = 'file'): string => {
  const path = join(testFolder(), name);
  writeFileSync(path, bytes);
  return path;
};

/** Never given up, but where a test says so. */
const { signal } = new AbortController();

/** More than sockets hold on the way. */
const LARGE_BYTES = 20_000_000;

describe('clamd', () => {
  it.each(['tcp', 'unix'] as const)('gets the whole file over %s, whatever its size', async (kind) => {
    const clamd = await startClamd(kind);
    const scanner = createClamdScanner(clamd.address);
    for (const length of [0, 1, 65_536, 65_537, 3_000_000]) {
      const content = randomBytes(length);
      expect(await scanner.scan(fileOf(content), signal)).toEqual({ kind: 'clean' });
      expect(clamd.scanned.at(-1)).toBe(sha256Of(content));
    }
  });

  it.each<ClamdMode>(['infected', 'pieces'])('names the threat (%s)', async (mode) => {
    const clamd = await startClamd('tcp', mode);
    const verdict = await createClamdScanner(clamd.address).scan(fileOf(randomBytes(100_000)), signal);
    expect(verdict).toEqual({ kind: 'infected', threat: CLAMD_THREAT });
  });

  it('that answers before the end has answered', async () => {
    const clamd = await startClamd('tcp', 'early');
    const scanner = createClamdScanner(clamd.address);
    const path = fileOf(Buffer.alloc(LARGE_BYTES));
    for (let round = 0; round < 5; round += 1)
      expect(await scanner.scan(path, signal)).toEqual({ kind: 'infected', threat: CLAMD_THREAT });
  });

  it('that breaks the connection right after its answer has said what arrived, and never that it is clean', async () => {
    const clamd = await startClamd('tcp', 'early-reset');
    const scanner = createClamdScanner(clamd.address);
    const path = fileOf(Buffer.alloc(LARGE_BYTES));
    for (let round = 0; round < 5; round += 1) {
      const outcome = await scanner.scan(path, signal).then(
        ({ kind }) => kind,
        () => 'no verdict',
      );
      expect(['infected', 'no verdict']).toContain(outcome);
    }
  });

  it.each<[ClamdMode, RegExp]>([
    ['error', /size limit exceeded/],
    ['nonsense', /no verdict: OK then/],
    ['closed', /closed the connection/],
    ['broken', /ECONNRESET|EPIPE|closed the connection/],
  ])('gives no verdict when it is %s', async (mode, message) => {
    const clamd = await startClamd('tcp', mode);
    const scanner = createClamdScanner(clamd.address);
    await expect(scanner.scan(fileOf(Buffer.alloc(LARGE_BYTES)), signal)).rejects.toThrow(message);
    clamd.mode = 'clean';
    expect(await scanner.scan(fileOf(randomBytes(10)), signal)).toEqual({ kind: 'clean' });
  });

  it('gives no verdict when it ends while the file is on its way, or waited for', async () => {
    const clamd = await startClamd('tcp', 'silent');
    const scanning = createClamdScanner(clamd.address).scan(fileOf(randomBytes(1_000)), signal);
    const outcome = expect(scanning).rejects.toThrow(/ECONNRESET|closed the connection/);
    await until('the file to be there', () => clamd.scanned.length === 1);
    await clamd.stop();
    await outcome;
  });

  it('is hung up on when the file is given up', async () => {
    const clamd = await startClamd('tcp', 'silent');
    const given = new AbortController();
    const scanning = createClamdScanner(clamd.address).scan(fileOf(randomBytes(1_000)), given.signal);
    const outcome = expect(scanning).rejects.toThrow();
    await until('the file to be there', () => clamd.scanned.length === 1);
    given.abort();
    await outcome;
  });

  it('gives no verdict where nobody listens', async () => {
    const clamd = await startClamd();
    await clamd.stop();
    await expect(createClamdScanner(clamd.address).scan(fileOf(randomBytes(10)), signal)).rejects.toThrow(
      /ECONNREFUSED/,
    );
    const nowhere = createClamdScanner({ path: join(testFolder(), 'clamd.sock') });
    await expect(nowhere.scan(fileOf(randomBytes(10)), signal)).rejects.toThrow(/ENOENT/);
  });

  it('gives no verdict of a file that is not there', async () => {
    const clamd = await startClamd();
    await expect(createClamdScanner(clamd.address).scan(join(testFolder(), 'nothing'), signal)).rejects.toThrow(
      /ENOENT/,
    );
    expect(clamd.scanned).toEqual([]);
  });

  it('scans many at once, each by itself', async () => {
    const clamd = await startClamd();
    const scanner = createClamdScanner(clamd.address);
    const contents = Array.from({ length: 20 }, () => randomBytes(100_000));
    await Promise.all(contents.map((content) => scanner.scan(fileOf(content), signal)));
    expect(clamd.scanned.sort()).toEqual(contents.map(sha256Of).sort());
    expect(clamd.connections).toBe(20);
  });
});

describe('a scan command', () => {
  it('gets its arguments, and the path of the file as the last one', async () => {
    const stand = scanCommand();
    const content = randomBytes(100_000);
    expect(await createScanCommand(stand.command, process.env).scan(fileOf(content), signal)).toEqual({
      kind: 'clean',
    });
    expect(stand.scanned()).toEqual([`--quiet ${sha256Of(content)}`]);
  });

  it('runs through no shell: a path is one argument, whatever is in it', async () => {
    const stand = scanCommand();
    const content = randomBytes(10);
    const path = fileOf(content, '$(touch pwned) ; `exit 1` "\' *');
    expect(await createScanCommand(stand.command, process.env).scan(path, signal)).toEqual({ kind: 'clean' });
    expect(stand.scanned()).toEqual([`--quiet ${sha256Of(content)}`]);
    expect(existsSync('pwned')).toBe(false);
  });

  it('names the threat, if it says one', async () => {
    const stand = scanCommand('infected');
    const scanner = createScanCommand(stand.command, process.env);
    const path = fileOf(randomBytes(10));
    expect(await scanner.scan(path, signal)).toEqual({ kind: 'infected', threat: COMMAND_THREAT });
    stand.become('unnamed');
    expect(await scanner.scan(path, signal)).toEqual({ kind: 'infected', threat: 'a threat' });
  });

  it.each<CommandMode>(['failing', 'crashing'])('gives no verdict when it is %s', async (mode) => {
    const stand = scanCommand(mode);
    const scanner = createScanCommand(stand.command, process.env);
    const path = fileOf(randomBytes(10));
    await expect(scanner.scan(path, signal)).rejects.toThrow(/gave no verdict/);
    stand.become('clean');
    expect(await scanner.scan(path, signal)).toEqual({ kind: 'clean' });
  });

  it('may print more than anybody reads', async () => {
    const stand = scanCommand('loud');
    expect(await createScanCommand(stand.command, process.env).scan(fileOf(randomBytes(10)), signal)).toEqual({
      kind: 'clean',
    });
  });

  it('is ended when the file is given up', async () => {
    const stand = scanCommand('slow');
    const given = new AbortController();
    const scanning = createScanCommand(stand.command, process.env).scan(fileOf(randomBytes(10)), given.signal);
    const outcome = expect(scanning).rejects.toThrow();
    await until('it to begin', () => stand.scanned().length === 1);
    given.abort();
    await outcome;
  });

  it('is waited for', async () => {
    const stand = scanCommand('slow');
    let verdict: unknown;
    const scanning = createScanCommand(stand.command, process.env)
      .scan(fileOf(randomBytes(10)), signal)
      .then((found) => (verdict = found));
    await until('it to begin', () => stand.scanned().length === 1);
    expect(verdict).toBeUndefined();
    stand.goOn();
    await scanning;
    expect(verdict).toEqual({ kind: 'clean' });
  });

  it('that is not there, or can not be run, gives no verdict and says why', async () => {
    const path = fileOf(randomBytes(10));
    for (const [program, code] of [
      [join(testFolder(), 'nothing'), 'ENOENT'],
      ['no-such-scanner-anywhere', 'ENOENT'],
      [path, 'EACCES'],
    ] as const)
      await expect(createScanCommand([program], process.env).scan(path, signal)).rejects.toMatchObject({
        cause: { code },
      });
  });
});
