import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { DeskwireError } from '../contract/errors.ts';
import { builtUrl } from '../ports/built-url.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageBounds, Images, LookedAt } from '../ports/images.ts';
import type { Log } from '../ports/log.ts';
import type { ImageAnswer, ImageJob } from './image-job.ts';

/** The longest that one image may take. */
const JOB_MS = 60_000;
/** The process ends when there was nothing to look at for so long. */
const IDLE_MS = 30_000;
/** A process that ends in a job may have been ended by somebody else: the job is tried again once. */
const ATTEMPTS = 2;
/** With these somebody else ends a process: an operator, or a system without memory. */
const ENDED_FROM_OUTSIDE: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);

export interface ImagesOptions {
  readonly clock: Clock;
  readonly log: Log;
}

const startProcess = (): ChildProcess =>
  fork(fileURLToPath(builtUrl('./image-worker.js', import.meta.url)), [], {
    execArgv: [],
    // It works on what strangers send: of this process's secrets it gets none.
    env: { PATH: '' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'json',
  });

const unavailable = (): DeskwireError =>
  new DeskwireError('unavailable', 'Images can not be looked at now; try again later.');

/** Images, looked at one after the other in a process that is started when it is needed. */
class ImageProcess implements Images {
  readonly #options: ImagesOptions;
  readonly #one = pLimit(1);
  #child: ChildProcess | undefined;
  #cancelIdle: () => void = () => undefined;
  #closed = false;
  /** How the last one ended. */
  #endedFromOutside = false;

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  look(path: string, mediaType: string, folder: string, bounds: ImageBounds): Promise<LookedAt> {
    return this.#one(async () => {
      this.#cancelIdle();
      for (let attempt = 1; ; attempt += 1) {
        const answer = await this.#ask({ path, mediaType, folder, bounds });
        // Ended by us: that says nothing of the image.
        if (this.#closed) throw new Error('the server is stopping');
        if (answer === 'gone' && attempt < ATTEMPTS) continue;
        this.#endWhenIdle();
        if (answer === 'gone' && this.#endedFromOutside) throw unavailable();
        if (answer === 'gone') return { kind: 'unreadable', reason: 'its decoder crashed' };
        if (answer.kind === 'failed') throw new Error(answer.reason);
        return answer;
      }
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#cancelIdle();
    this.#kill();
    return Promise.resolve();
  }

  /** @throws unavailable when there can be no such process: that says nothing of the image */
  async #ask(job: ImageJob): Promise<ImageAnswer | 'gone'> {
    if (this.#closed) return { kind: 'failed', reason: 'the server is stopping' };
    const child = (this.#child ??= await this.#start());
    return new Promise((resolve) => {
      const settle = (answer: ImageAnswer | 'gone'): void => {
        cancel();
        child.off('message', settle);
        child.off('exit', onExit);
        resolve(answer);
      };
      const onExit = (): void => settle('gone');
      const onError = (error: Error | null): void => {
        if (error === null) return;
        // Its line is cut, and its end was not heard of yet: the next attempt needs another one.
        if (this.#child === child) this.#child = undefined;
        child.kill('SIGKILL');
        settle('gone');
      };
      const cancel = this.#options.clock.after(JOB_MS, () => {
        this.#options.log.warn({ mediaType: job.mediaType }, 'an image took too long to be looked at');
        settle({ kind: 'unreadable', reason: `it takes longer than ${String(JOB_MS)} ms to read` });
        this.#kill();
      });
      child.on('message', settle);
      child.on('exit', onExit);
      child.send(job, onError);
    });
  }

  #start(): Promise<ChildProcess> {
    const child = startProcess();
    const { log } = this.#options;
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      this.#endedFromOutside = signal !== null && ENDED_FROM_OUTSIDE.has(signal);
      if (!this.#closed && code !== 0) log.warn({ code, signal }, 'the process for images ended');
    });
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => {
        log.error({ cause }, 'the process for images could not be started');
        reject(unavailable());
      };
      child.once('error', fail);
      child.once('exit', fail);
      child.once('message', () => {
        child.off('exit', fail);
        resolve(child);
        if (this.#closed) child.kill('SIGKILL');
      });
    });
  }

  #endWhenIdle(): void {
    this.#cancelIdle = this.#options.clock.after(IDLE_MS, () => this.#kill());
  }

  #kill(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

export const createImages = (options: ImagesOptions): Images => new ImageProcess(options);
