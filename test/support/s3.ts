import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { S3Place } from '../../src/store/blobs/s3.ts';
import { until } from './until.ts';

/** The one account that s3rver has. */
export const S3_ENV = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

export interface TestS3 {
  /** Of its only bucket. */
  readonly place: S3Place;
  /** The same, as ATTACHMENTS_URL says it. */
  readonly url: string;
  /** The folder that the bucket is kept in. */
  readonly folder: string;
  /** Goes out of reach at once; what it has stays. */
  stop(): Promise<void>;
  /** Comes back where it was. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

const PROGRAM = join(dirname(createRequire(import.meta.url).resolve('s3rver/package.json')), 'bin/s3rver.js');

/** It makes the tokens of long lists with DES, which OpenSSL 3 keeps apart. */
const NODE_FLAGS = ['--openssl-legacy-provider', '--no-deprecation'];

const run = async (folder: string, bucket: string, port: number): Promise<{ child: ChildProcess; port: number }> => {
  const options = ['-d', folder, '-a', '127.0.0.1', '-p', String(port), '--configure-bucket', bucket];
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    // What comes later is a line for each request.
    if (said.length < 10_000) said += bytes.toString();
  });
  const found = await until('s3rver to listen', () => {
    if (child.exitCode !== null) throw new Error(`s3rver ended with ${String(child.exitCode)}`);
    return /listening on \S+:(\d+)/.exec(said)?.[1];
  });
  return { child, port: Number(found) };
};

/**
 * A server that speaks S3, as a process of its own, with one bucket. Its account is set in this process's environment,
 * where AWS's client looks for it. Unlike S3 itself it takes the range 0-0 for the whole object.
 */
export const startS3 = async (bucket = 'attachments'): Promise<TestS3> => {
  Object.assign(process.env, S3_ENV);
  const directory = mkdtempSync(join(tmpdir(), 'deskwire-s3-'));
  let running: ChildProcess | undefined;
  const first = await run(directory, bucket, 0);
  running = first.child;
  const endpoint = `http://127.0.0.1:${String(first.port)}`;
  const stop = async (): Promise<void> => {
    const stopping = running;
    running = undefined;
    if (stopping === undefined) return;
    const ended = once(stopping, 'exit');
    stopping.kill('SIGKILL');
    await ended;
  };
  return {
    place: { bucket, prefix: '', region: 'us-east-1', endpoint, forcePathStyle: true },
    url: `s3://${bucket}?region=us-east-1&forcePathStyle=true&endpoint=${encodeURIComponent(endpoint)}`,
    folder: join(directory, bucket),
    stop,
    restart: async () => {
      running ??= (await run(directory, bucket, first.port)).child;
    },
    remove: async () => {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};
