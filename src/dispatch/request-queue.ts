/**
 * One request's turn. `pipelined` ones may overlap with each other; every other one has the connection for itself. One that goes
 * `aside` waits for its turn like a pipelined one, and holds nothing up once it has its place.
 */
export interface Turn {
  readonly pipelined: boolean;
  readonly aside: boolean;
  /** Starts the request; calls `sequenced` once the next pipelined one may start, `finished` once it is over. Never throws. */
  readonly run: (sequenced: () => void, finished: () => void) => void;
}

/** The requests of one connection, in the order in which they were sent. */
export class RequestQueue {
  #waiting: Turn[] = [];
  #running = 0;
  #asideCount = 0;
  /** A request runs that must be over before any other starts. */
  #alone = false;
  /** A pipelined request runs that does not have its place in the log yet. */
  #unsequenced = false;

  get size(): number {
    return this.#waiting.length + this.#running + this.#asideCount;
  }

  add(turn: Turn): void {
    if (this.#waiting.length === 0 && this.#mayStart(turn)) this.#start(turn);
    else this.#waiting.push(turn);
  }

  #mayStart(turn: Turn): boolean {
    if (this.#running === 0) return true;
    return turn.pipelined && !this.#alone && !this.#unsequenced;
  }

  #start(turn: Turn): void {
    this.#running += 1;
    this.#alone = !turn.pipelined;
    this.#unsequenced = true;
    let sequenced = false;
    let aside = false;
    const settle = (): void => {
      if (sequenced) return;
      sequenced = true;
      this.#unsequenced = false;
      if (turn.aside) {
        aside = true;
        this.#running -= 1;
        this.#asideCount += 1;
      }
      this.#next();
    };
    turn.run(settle, () => {
      if (aside) {
        this.#asideCount -= 1;
        return;
      }
      this.#running -= 1;
      if (!sequenced) this.#unsequenced = false;
      sequenced = true;
      this.#next();
    });
  }

  #next(): void {
    for (;;) {
      const [turn] = this.#waiting;
      if (turn === undefined || !this.#mayStart(turn)) return;
      this.#waiting.shift();
      this.#start(turn);
    }
  }
}
