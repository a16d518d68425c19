import type { Entry } from '../../src/contract/schemas.ts';
import { entryDigest } from './content.ts';
import { Column } from './columns.ts';
import type { AcknowledgedChange } from './history.ts';
import type { SeatDump } from './messages.ts';
import type { Identity } from '../support/server.ts';

/** A member in one conversation: what he sent, what was answered, what he got. */
export class Seat {
  readonly conversationId: string;
  /** Pages are in, and events count. */
  isLive = false;
  lastSeq = 0;
  sent = 0;
  /** By number: when it was due. In the order of sending. */
  readonly pending = new Map<number, number>();
  /** Numbers to be sent on the present connection. */
  readonly outbox: number[] = [];
  readonly changes: AcknowledgedChange[] = [];
  readonly #acks = {
    numbers: new Column(),
    seqs: new Column(),
    digests: new Column(),
    connections: new Column(),
    places: new Column(),
    duplicates: new Column(),
  };
  readonly #stream = { starts: new Column(), afterSeqs: new Column(), seqs: new Column(), digests: new Column() };

  constructor(conversationId: string) {
    this.conversationId = conversationId;
  }

  issue(dueAt: number): void {
    this.pending.set(this.sent, dueAt);
    this.outbox.push(this.sent);
    this.sent += 1;
  }

  /** A connection was lost: all that was not answered is to be sent again, in its order. */
  rewind(): void {
    this.isLive = false;
    this.outbox.length = 0;
    this.outbox.push(...this.pending.keys());
  }

  /** The first page of a join came. */
  begin(): void {
    this.#stream.starts.push(this.#stream.seqs.length);
    this.#stream.afterSeqs.push(this.lastSeq);
  }

  take(entry: Entry): void {
    this.#stream.seqs.push(entry.seq);
    this.#stream.digests.push(entryDigest(entry));
    this.lastSeq = entry.seq;
  }

  acknowledge(number: number, entry: Entry, connection: number, place: number, isDuplicate: boolean): void {
    this.pending.delete(number);
    this.#acks.numbers.push(number);
    this.#acks.seqs.push(entry.seq);
    this.#acks.digests.push(entryDigest(entry));
    this.#acks.connections.push(connection);
    this.#acks.places.push(place);
    this.#acks.duplicates.push(isDuplicate ? 1 : 0);
  }

  dump({ sub, role }: Identity): SeatDump {
    return {
      conversationId: this.conversationId,
      member: sub,
      role,
      sent: this.sent,
      acks: {
        numbers: this.#acks.numbers.toArray(),
        seqs: this.#acks.seqs.toArray(),
        digests: this.#acks.digests.toArray(),
        connections: this.#acks.connections.toArray(),
        places: this.#acks.places.toArray(),
        duplicates: this.#acks.duplicates.toArray(),
      },
      stream: {
        starts: this.#stream.starts.toArray(),
        afterSeqs: this.#stream.afterSeqs.toArray(),
        seqs: this.#stream.seqs.toArray(),
        digests: this.#stream.digests.toArray(),
      },
      changes: this.changes,
    };
  }
}
