import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { createImages } from '../../src/media/images.ts';
import { createInspector } from '../../src/media/inspector.ts';
import { createClamdScanner } from '../../src/media/scan-clamd.ts';
import { createScanCommand } from '../../src/media/scan-command.ts';
import { AttachmentTypes } from '../../src/media/types.ts';
import type { Inspected, Inspection } from '../../src/ports/inspector.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Scanner } from '../../src/ports/scanner.ts';
import { DEFAULT_ATTACHMENT_TYPES } from '../../src/server/attachment-settings.ts';
import {
  brokenPng,
  executables,
  gifOfFrames,
  noise,
  officeFile,
  pdf,
  photo,
  pngOfSize,
  sha256Of,
  testFolder,
  zipBomb,
} from '../support/files.ts';
import { CLAMD_THREAT, COMMAND_THREAT, scanCommand, startClamd } from '../support/scanners.ts';
import { silentLog } from '../support/store.ts';
import { until } from '../support/until.ts';
import { HandClock } from '../support/hand-clock.ts';

const HOUR_MS = 3_600_000;

const inspecting = (scanner?: Scanner) => {
  const clock = new HandClock();
  const tempFolder = join(testFolder(), 'temp');
  mkdirSync(tempFolder);
  let failedScans = 0;
  const inspector = createInspector({
    types: new AttachmentTypes(DEFAULT_ATTACHMENT_TYPES),
    images: createImages({ clock, log: silentLog }),
    scanner,
    tempFolder,
    limits: DEFAULT_LIMITS,
    clock,
    log: silentLog,
    metrics: { ...noMetrics, scanFailed: () => (failedScans += 1) },
  });
  onTestFinished(() => inspector.close());
  const inspect = (content: Uint8Array, name: string, more: Partial<Inspection> = {}): Promise<Inspected> => {
    const path = join(testFolder(), 'upload');
    writeFileSync(path, content);
    return inspector.inspect({
      path,
      claim: { name, mediaType: null },
      size: content.length,
      sha256: null,
      deadline: clock.now() + HOUR_MS,
      signal: new AbortController().signal,
      ...more,
    });
  };
  return { inspector, inspect, clock, made: () => readdirSync(tempFolder), failedScans: () => failedScans };
};

const refused = (code: string) => ({ name: 'DeskwireError', code });

describe('a file', () => {
  it('is kept as it is: its size, its type, its hash', async () => {
    const { inspect, made } = inspecting();
    for (const [content, name, mediaType] of [
      [pdf(), 'a.pdf', 'application/pdf'],
      [officeFile('docx'), 'a.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
      [Buffer.from('hello'), 'a.txt', 'text/plain'],
    ] as const) {
      const found = await inspect(content, name, { sha256: sha256Of(content) });
      expect(found.content).toEqual({ size: content.length, mediaType, sha256: sha256Of(content) });
      expect(readFileSync(found.path).equals(content)).toBe(true);
      expect(found.thumbnailPath).toBeUndefined();
      await found.release();
    }
    expect(made()).toEqual([]);
  });

  it('that is an image is kept without what was said of it, with a thumbnail; what was made of it goes', async () => {
    const { inspect, made } = inspecting();
    const content = await photo({ width: 640, height: 480, gps: true });
    const found = await inspect(content, 'a.jpg', { sha256: sha256Of(content) });
    const kept = readFileSync(found.path);
    expect(kept.equals(content)).toBe(false);
    expect(found.content).toMatchObject({
      size: kept.length,
      sha256: sha256Of(kept),
      mediaType: 'image/jpeg',
      width: 640,
      height: 480,
      thumbnail: { width: 320, height: 240, mediaType: 'image/webp', size: readFileSync(found.thumbnailPath!).length },
    });
    await found.release();
    await found.release();
    expect(made()).toEqual([]);
  });

  it('that is an image of which nothing is said is kept byte for byte', async () => {
    const { inspect } = inspecting();
    const content = await photo();
    const found = await inspect(content, 'a.jpg');
    expect(found.content).toMatchObject({ size: content.length, sha256: sha256Of(content) });
    expect(readFileSync(found.path).equals(content)).toBe(true);
  });

  it.each<[string, string, () => Buffer | Promise<Buffer>, string]>([
    ['an ELF as PNG', 'a.png', executables.elf, 'unsupported_media_type'],
    ['a page as text', 'a.txt', () => Buffer.from('<!doctype html>'), 'unsupported_media_type'],
    ['noise after the start of a PNG', 'a.png', brokenPng, 'unsupported_media_type'],
    ['a PNG of 50 000 × 50 000', 'a.png', () => pngOfSize(50_000, 50_000), 'payload_too_large'],
    ['a GIF of 3 000 frames', 'a.gif', () => gifOfFrames(3_000, 10, 10), 'payload_too_large'],
    ['a bomb in an office file', 'a.pdf', () => zipBomb(50_000_000), 'unsupported_media_type'],
  ])('%s is refused, and nothing made of it stays', async (_, name, make, code) => {
    const { inspect, made } = inspecting();
    await expect(inspect(await make(), name)).rejects.toMatchObject(refused(code));
    expect(made()).toEqual([]);
  });

  it('of another hash is refused, whatever it is', async () => {
    const { inspect } = inspecting();
    const content = executables.elf();
    const expected = sha256Of(noise(10));
    await expect(inspect(content, 'a.png', { sha256: expected })).rejects.toMatchObject({
      ...refused('checksum_mismatch'),
      details: { found: sha256Of(content), expected },
    });
  });

  it('of another size, or that is not there, is no refusal: it may be looked at again', async () => {
    const { inspect } = inspecting();
    await expect(inspect(noise(10), 'a.pdf', { size: 11 })).rejects.toThrow(/10 bytes, expected 11/);
    await expect(inspect(noise(10), 'a.pdf', { size: 11 })).rejects.not.toMatchObject({ name: 'DeskwireError' });
    const nothing = join(testFolder(), 'nothing');
    await expect(inspect(noise(10), 'a.pdf', { path: nothing })).rejects.not.toMatchObject({ name: 'DeskwireError' });
  });

  it('that is a bomb is looked at in bounded time and memory', { timeout: 60_000 }, async () => {
    const { inspect } = inspecting();
    const content = zipBomb(1_000_000_000);
    expect(content.length).toBeLessThan(1_500_000);
    await inspect(zipBomb(1_000), 'a.zip');
    const before = process.memoryUsage.rss();
    const startedAt = performance.now();
    const found = await inspect(content, 'a.zip');
    expect(found.content.mediaType).toBe('application/zip');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1_048_576);
  });

  it('is looked at by its first bytes as soon as they are enough', async () => {
    const { inspector } = inspecting();
    const claim = { name: 'a.png', mediaType: null };
    const elf = executables.elf();
    await expect(inspector.checkHead(claim, elf, 1_000_000)).rejects.toMatchObject(refused('unsupported_media_type'));
    await expect(inspector.checkHead(claim, elf.subarray(0, 100), 1_000_000)).resolves.toBeUndefined();
    const all = inspector.checkHead(claim, elf.subarray(0, 100), 100);
    await expect(all).rejects.toMatchObject(refused('unsupported_media_type'));
    const right = await photo({ type: 'png' });
    await expect(inspector.checkHead(claim, right, right.length)).resolves.toBeUndefined();
  });
});

describe('a file that is scanned', () => {
  it('comes to the scanner whole, once it has the right hash and type', async () => {
    const clamd = await startClamd();
    const { inspect } = inspecting(createClamdScanner(clamd.address));
    const content = await photo({ gps: true });
    await inspect(content, 'a.jpg', { sha256: sha256Of(content) });
    await expect(inspect(content, 'a.jpg', { sha256: sha256Of(noise(1)) })).rejects.toMatchObject(
      refused('checksum_mismatch'),
    );
    await expect(inspect(executables.elf(), 'a.jpg')).rejects.toMatchObject(refused('unsupported_media_type'));
    expect(clamd.scanned).toEqual([sha256Of(content)]);
  });

  it('is refused with the threat by its name, and never unpacked', async () => {
    const clamd = await startClamd('unix', 'infected');
    const stand = scanCommand('infected');
    for (const [scanner, threat] of [
      [createClamdScanner(clamd.address), CLAMD_THREAT],
      [createScanCommand(stand.command, process.env), COMMAND_THREAT],
    ] as const) {
      const { inspect, made } = inspecting(scanner);
      const outcome = inspect(await photo(), 'a.jpg');
      await expect(outcome).rejects.toMatchObject({ ...refused('unsupported_media_type'), details: { threat } });
      await expect(outcome).rejects.toThrow(threat);
      expect(made()).toEqual([]);
    }
  });

  it('is held while the scanner is down, asked about later and later, and ready when it is back', async () => {
    const stand = scanCommand('failing');
    const { inspect, clock, failedScans } = inspecting(createScanCommand(stand.command, process.env));
    let outcome: unknown;
    const held = inspect(pdf(), 'a.pdf').then((found) => (outcome = found.content.mediaType));
    for (const [index, waitMs] of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
      await until('no verdict', () => failedScans() === index + 1 && clock.nextInMs === waitMs);
      expect(outcome).toBeUndefined();
      clock.moveBy(waitMs - 1);
      expect(stand.scanned()).toHaveLength(index + 1);
      if (index === 7) stand.become('clean');
      clock.moveBy(1);
    }
    await held;
    expect(outcome).toBe('application/pdf');
    expect(failedScans()).toBe(8);
  });

  it('is refused when the scanner comes back with a verdict', async () => {
    const clamd = await startClamd('tcp', 'error');
    const { inspect, clock } = inspecting(createClamdScanner(clamd.address));
    const outcome = expect(inspect(pdf(), 'a.pdf')).rejects.toMatchObject(refused('unsupported_media_type'));
    await until('no verdict', () => clock.nextInMs === 500);
    clamd.mode = 'infected';
    clock.moveBy(500);
    await outcome;
  });

  it('is not waited for beyond its time, and that is no refusal', async () => {
    const stand = scanCommand('failing');
    const { inspect, clock, failedScans } = inspecting(createScanCommand(stand.command, process.env));
    const outcome = inspect(pdf(), 'a.pdf', { deadline: clock.now() + 1_200 });
    const over = expect(outcome).rejects.not.toMatchObject({ name: 'DeskwireError' });
    await until('no verdict', () => clock.nextInMs === 500);
    clock.moveBy(500);
    await over;
    expect(failedScans()).toBe(2);
  });

  it('is not held any more when it is given up, or the server stops', async () => {
    const stand = scanCommand('failing');
    const { inspector, inspect, clock } = inspecting(createScanCommand(stand.command, process.env));
    const given = new AbortController();
    const first = expect(inspect(pdf(), 'a.pdf', { signal: given.signal })).rejects.not.toMatchObject({
      name: 'DeskwireError',
    });
    await until('no verdict', () => clock.nextInMs === 500);
    given.abort();
    await first;
    expect(clock.nextInMs).toBeUndefined();
    const second = expect(inspect(pdf(), 'a.pdf')).rejects.not.toMatchObject({ name: 'DeskwireError' });
    await until('no verdict', () => clock.nextInMs === 500);
    await inspector.close();
    await second;
  });

  it('that the scanner takes away was no clean one', async () => {
    const folder = testFolder();
    const program = join(folder, 'quarantine');
    writeFileSync(program, '#!/bin/sh\nrm "$1"\n', { mode: 0o755 });
    const { inspect } = inspecting(createScanCommand([program], process.env));
    await expect(inspect(pdf(), 'a.pdf')).rejects.toMatchObject(refused('unsupported_media_type'));
  });
});

describe('a server that stops', () => {
  it('says nothing of an image that it was looking at', { timeout: 60_000 }, async () => {
    const { inspector, inspect, made } = inspecting();
    await inspect(await photo(), 'a.jpg');
    // Takes a while to look at.
    const create = { width: 8_000, height: 7_000, channels: 3 as const, background: '#123' };
    const large = await sharp({ create }).png({ compressionLevel: 1 }).toBuffer();
    const outcome = expect(inspect(large, 'a.png')).rejects.not.toMatchObject(refused('unsupported_media_type'));
    await until('the look', () => made().length === 2);
    await inspector.close();
    await outcome;
  });
});
