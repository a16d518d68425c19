import { Worker } from 'node:worker_threads';
import { builtUrl } from '../../ports/built-url.ts';
import { StoreStartError } from '../start-error.ts';
import type { Answer, Failure, Hello, Request, WorkerOptions } from './messages.ts';
import type { Migrated } from '../migration-files.ts';

interface Waiting {
  answered: (answer: Answer) => void;
  /** The worker ended: whether it did what it was asked is not known. */
  lost: (reason: string) => void;
}

/** The worker, seen from the main thread: questions out, answers in the order in which they were asked. */
export class WorkerLink {
  readonly #worker: Worker;
  /** The worker answers in the order in which it was asked. */
  #waiting: Waiting[] = [];
  #ended: string | undefined;
  #closing = false;

  private constructor(worker: Worker, onLost: (reason: string) => void) {
    this.#worker = worker;
    const end = (reason: string): void => {
      if (this.#ended !== undefined) return;
      this.#ended = reason;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) one.lost(reason);
      if (!this.#closing) onLost(reason);
    };
    worker.on('message', (answer: Answer) => {
      this.#waiting.shift()?.answered(answer);
    });
    worker.on('messageerror', (error) => end(`an answer of the store's worker could not be read: ${error.message}`));
    worker.on('error', (error: unknown) =>
      end(`the store's worker failed: ${error instanceof Error ? error.message : String(error)}`),
    );
    worker.on('exit', () => end("the store's worker has ended"));
  }

  /**
   * @param onLost called once when the worker ends unasked, after each question's `lost`
   * @throws StoreStartError when the database can't be opened
   */
  static async start(
    options: WorkerOptions,
    onLost: (reason: string) => void,
  ): Promise<{ link: WorkerLink; migrated: Migrated }> {
    const worker = new Worker(builtUrl('./worker.js', import.meta.url), { workerData: options });
    const hello = await new Promise<Hello>((resolve, reject) => {
      const ended = (): void => {
        reject(new StoreStartError("The store's worker ended before the database was open."));
      };
      worker.once('error', reject);
      worker.once('exit', ended);
      worker.once('message', (message: Hello) => {
        // Each by itself: without its own listeners a worker's messages do not arrive any more.
        worker.off('error', reject);
        worker.off('exit', ended);
        resolve(message);
      });
    });
    if (hello.kind === 'refused') {
      await worker.terminate();
      throw new StoreStartError(hello.message, { versions: hello.versions });
    }
    return { link: new WorkerLink(worker, onLost), migrated: { from: hello.from, to: hello.to } };
  }

  /** Why there are no answers any more. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Both are called at once or later, one of them, once. */
  send(request: Request, answered: (answer: Answer) => void, lost: (reason: string) => void): void {
    if (this.#ended !== undefined) {
      lost(this.#ended);
      return;
    }
    this.#waiting.push({ answered, lost });
    this.#worker.postMessage(request);
  }

  /** `send` as a promise; a failure is an answer too. */
  ask(request: Request): Promise<Exclude<Answer, { kind: 'outcomes' }>> {
    return new Promise((resolve) => {
      const failed = (cause: string): Failure => ({ kind: 'failed', code: 'unavailable', cause });
      this.send(
        request,
        (answer) => resolve(answer.kind === 'outcomes' ? failed('unexpected answer') : answer),
        (reason) => resolve(failed(reason)),
      );
    });
  }

  /** Closes the database and ends the thread. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.ask({ kind: 'close' });
    await this.#worker.terminate();
  }
}
