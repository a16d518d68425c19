import { io } from 'socket.io-client';
import type { PayloadInput, Reply, ReplyData, RequestName } from '../../src/contract/contract.ts';
import type { Entry } from '../../src/contract/schemas.ts';
import type { TestSocket } from '../support/client.ts';
import type { Random } from '../support/random.ts';
import { tokenFor, type Identity } from '../support/server.ts';
import { changeOf, clientIdOf, isNote, textOf } from './content.ts';
import type { Seat } from './seat.ts';

const PAGE = 200;
/** Messages of one connection that wait for their answer. */
const WINDOW = 48;
/** A connection on which nothing is answered this long is given up, as by an application that does not wait for heartbeats. */
const PATIENCE_MS = 6_000;
const RETRY_MS = 150;
const TOKEN_SECONDS = 7 * 24 * 3_600;

/** What members share: where the nodes are, and where things are counted. */
export interface World {
  readonly urls: readonly string[];
  readonly random: Random;
  readonly answered: (dueAt: number) => void;
  readonly refused: (what: string) => void;
  /** A refusal that nothing excuses. */
  readonly wrong: (what: string) => void;
  /** How long somebody who lost his connection stays away. */
  readonly absenceMs: (member: Member, attempt: number) => number;
}

/** One connection, as long as it lasts. */
interface Connection {
  readonly socket: TestSocket;
  readonly number: number;
  isReady: boolean;
  places: number;
  /** By place: when it was sent, oldest first. */
  readonly unanswered: Map<number, number>;
}

/** One user with a stock client: sends, sends again what was not answered, and follows behind what it has. */
export class Member {
  readonly identity: Identity;
  readonly seats = new Map<string, Seat>();
  connections = 0;
  emissions = 0;
  readonly #world: World;
  readonly #token: string;
  readonly #transports: readonly string[];
  #connection: Connection | undefined;
  #away: NodeJS.Timeout | undefined;
  /** Connections in a row that came to nothing. */
  #failures = 0;

  constructor(identity: Identity, world: World, transports: readonly string[]) {
    this.identity = identity;
    this.#world = world;
    this.#token = tokenFor(identity, TOKEN_SECONDS);
    this.#transports = transports;
  }

  get isConnected(): boolean {
    return this.#connection?.isReady === true && [...this.seats.values()].every(({ isLive }) => isLive);
  }

  connect(): void {
    clearTimeout(this.#away);
    const { urls, random } = this.#world;
    this.connections += 1;
    const socket: TestSocket = io(random.pick(urls), {
      auth: { token: this.#token },
      forceNew: true,
      reconnection: false,
      transports: [...this.#transports],
    });
    const connection: Connection = {
      socket,
      number: this.connections,
      isReady: false,
      places: 0,
      unanswered: new Map(),
    };
    this.#connection = connection;
    // Place 0 is the handshake.
    this.#expect(connection);
    socket.on('session:ready', () => {
      connection.unanswered.delete(0);
      connection.isReady = true;
      if (this.identity.role === 'agent')
        this.request('agent:status', { status: 'online', capacity: 1_000 }, () => undefined);
      for (const seat of this.seats.values()) this.#join(connection, seat, true);
    });
    socket.on('disconnect', () => this.#lost(connection));
    socket.on('connect_error', () => this.#lost(connection));
    socket.onAny((_event: string, payload: Partial<Entry> | undefined) => {
      if (payload?.seq === undefined || payload.conversationId === undefined || payload.type === undefined) return;
      const seat = this.seats.get(payload.conversationId);
      if (seat?.isLive === true) seat.take(payload as Entry);
    });
  }

  /** Gives up a connection that does not answer; to be called now and then. */
  watch(now: number): void {
    const connection = this.#connection;
    const oldest = connection?.unanswered.values().next().value;
    if (connection !== undefined && oldest !== undefined && now - oldest > PATIENCE_MS) {
      this.#world.refused('connection: no answer');
      this.#lost(connection);
    }
  }

  /** Who stays away comes back. */
  comeBack(): void {
    if (this.#connection === undefined) this.connect();
  }

  close(): void {
    clearTimeout(this.#away);
    this.#connection?.socket.disconnect();
    this.#connection = undefined;
  }

  /** A request whose answer may get lost; without a connection nothing happens. */
  request<N extends RequestName>(name: N, payload: PayloadInput<N>, answered: (data: ReplyData<N>) => void): void {
    const connection = this.#connection;
    if (connection?.isReady !== true) return;
    this.#emit(connection, name, payload, (reply) => {
      if (reply.ok) answered(reply.data);
      else this.#world.refused(`${name}: ${reply.error.code}`);
    });
  }

  /** A change of assignee, written down when it is acknowledged. */
  change<N extends 'assignment:claim' | 'assignment:release' | 'assignment:transfer' | 'assignment:assign'>(
    verb: N,
    seat: Seat,
    payload: PayloadInput<N>,
  ): void {
    this.request(verb, payload, (data) => {
      const { entry } = data as { entry: Entry };
      const change = changeOf(entry);
      if (change === null) this.#world.wrong(`${verb} was answered with ${entry.type}`);
      else seat.changes.push({ member: this.identity.sub, verb, seq: entry.seq, ...change });
    });
  }

  /** Sends what is due, as far as the window allows. */
  flush(): void {
    const connection = this.#connection;
    if (connection?.isReady !== true) return;
    for (const seat of this.seats.values()) {
      if (!seat.isLive) continue;
      while (seat.outbox.length > 0 && connection.unanswered.size < WINDOW)
        this.#send(connection, seat, seat.outbox.shift()!);
    }
  }

  #send(connection: Connection, seat: Seat, number: number): void {
    const { sub, role } = this.identity;
    const clientMessageId = clientIdOf(sub, number);
    const staff = isNote(role, number);
    const payload = {
      conversationId: seat.conversationId,
      clientMessageId,
      text: textOf(clientMessageId, number),
      ...(staff && { visibility: 'staff' as const }),
    };
    this.emissions += 1;
    const place = this.#emit(connection, 'message:send', payload, (reply) => {
      if (reply.ok) {
        const dueAt = seat.pending.get(number);
        seat.acknowledge(number, reply.data.entry, connection.number, place, reply.data.duplicate);
        if (dueAt !== undefined) this.#world.answered(dueAt);
        if (seat.outbox.length > 0) this.flush();
        return;
      }
      const { code, retryable, retryAfterMs } = reply.error;
      this.#world.refused(`message:send: ${code}`);
      if (!retryable) {
        this.#world.wrong(`message ${clientMessageId} was refused: ${JSON.stringify(reply.error)}`);
        seat.pending.delete(number);
        return;
      }
      setTimeout(() => {
        if (this.#connection === connection) seat.outbox.push(number);
      }, retryAfterMs ?? RETRY_MS);
    });
  }

  #join(connection: Connection, seat: Seat, isFirstPage: boolean): void {
    const payload = { conversationId: seat.conversationId, afterSeq: seat.lastSeq, limit: PAGE };
    this.#emit(connection, 'conversation:join', payload, (reply) => {
      if (!reply.ok) {
        this.#world.refused(`conversation:join: ${reply.error.code}`);
        if (!reply.error.retryable) this.#world.wrong(`a join was refused: ${JSON.stringify(reply.error)}`);
        else
          setTimeout(() => {
            if (this.#connection === connection) this.#join(connection, seat, isFirstPage);
          }, reply.error.retryAfterMs ?? RETRY_MS);
        return;
      }
      if (isFirstPage) seat.begin();
      for (const entry of reply.data.entries) seat.take(entry);
      // In the acknowledgement itself: the next event may be in the same read.
      if (reply.data.hasMore) this.#join(connection, seat, false);
      else {
        seat.isLive = true;
        this.#failures = 0;
      }
    });
  }

  #expect(connection: Connection): number {
    const place = connection.places;
    connection.places += 1;
    connection.unanswered.set(place, performance.now());
    return place;
  }

  #emit<N extends RequestName>(
    connection: Connection,
    name: N,
    payload: PayloadInput<N>,
    answered: (reply: Reply<ReplyData<N>>) => void,
  ): number {
    const place = this.#expect(connection);
    const emit = connection.socket.emit.bind(connection.socket) as (
      event: string,
      payload: unknown,
      answer: (reply: Reply<ReplyData<N>>) => void,
    ) => void;
    emit(name, payload, (reply) => {
      connection.unanswered.delete(place);
      answered(reply);
    });
    return place;
  }

  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.socket.off();
    connection.socket.offAny();
    connection.socket.disconnect();
    for (const seat of this.seats.values()) seat.rewind();
    this.#failures += 1;
    this.#away = setTimeout(() => this.connect(), this.#world.absenceMs(this, this.#failures));
  }
}
