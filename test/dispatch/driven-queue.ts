import { RequestQueue } from '../../src/dispatch/request-queue.ts';

/** `alone`: has the connection for itself. `pipelined`: overlaps with others of its kind. `aside`: holds nothing up once it has its place. */
export type Kind = 'alone' | 'pipelined' | 'aside';

/** A request whose steps the test takes. */
export interface DrivenRequest {
  readonly kind: Kind;
  started: boolean;
  placed: boolean;
  over: boolean;
  place(): void;
  end(): void;
}

/** A queue of requests that do nothing by themselves. */
export class DrivenQueue {
  readonly queue = new RequestQueue();
  readonly requests: DrivenRequest[] = [];
  /** Places in `requests`, in the order in which they were started. */
  readonly order: number[] = [];

  add(kind: Kind): DrivenRequest {
    const index = this.requests.length;
    const notStarted = (): never => {
      throw new Error(`request ${String(index)} has not started`);
    };
    const request: DrivenRequest = {
      ...{ kind, started: false, placed: false, over: false },
      ...{ place: notStarted, end: notStarted },
    };
    this.requests.push(request);
    this.queue.add({
      pipelined: kind !== 'alone',
      aside: kind === 'aside',
      run: (sequenced, finished) => {
        this.order.push(index);
        request.started = true;
        request.place = () => {
          request.placed = true;
          sequenced();
        };
        request.end = () => {
          request.over = true;
          finished();
        };
      },
    });
    return request;
  }

  started(): boolean[] {
    return this.requests.map(({ started }) => started);
  }
}
