import type { User } from '../contract/schemas.ts';
import { personKey } from '../ports/actor.ts';
import type { Bus, Note } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Roster } from './roster.ts';
import type { TypingBoard } from './typing-board.ts';

export interface ElsewhereOptions {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly typing: TypingBoard;
  readonly clock: Clock;
  /** People came to, or left, a conversation on other nodes, and are on none of the others. */
  readonly onChange: (conversationId: string, came: readonly User[], went: readonly User[]) => void;
}

/** Who has not answered by then has nobody there: a node without members does not hear the question. */
const ANSWER_MS = 3_000;

type People = ReadonlyMap<string, User>;

const peopleOf = (users: readonly User[]): People => new Map(users.map((user) => [personKey(user), user]));

/**
 * Who is in a conversation on other nodes, for the conversations that are followed here. Each node says who is in it there, whole, when that
 * changes and when it is asked; so what was lost is mended by the next thing said.
 */
export class Elsewhere {
  readonly #options: ElsewhereOptions;
  /** By conversation, then by node. */
  readonly #people = new Map<string, Map<string, People>>();
  readonly #followed = new Set<string>();
  /** Nodes that said something before the bus was away and nothing since, by conversation. */
  #unconfirmed = new Map<string, Set<string>>();
  #cancel: () => void = () => undefined;

  constructor(options: ElsewhereOptions) {
    this.#options = options;
  }

  /** Notes about it arrive from now on: the others are asked. */
  followed(conversationId: string): void {
    this.#followed.add(conversationId);
    this.#tell(conversationId, true);
  }

  released(conversationId: string): void {
    this.#followed.delete(conversationId);
    this.#people.delete(conversationId);
    this.#options.typing.forgetConversation(conversationId);
  }

  /** The bus is back: who knows what was missed. */
  askAll(): void {
    const { bus, clock } = this.#options;
    if (!bus.connected) return;
    this.#unconfirmed = new Map([...this.#people].map(([id, byNode]) => [id, new Set(byNode.keys())]));
    for (const conversationId of this.#followed) this.#tell(conversationId, true);
    this.#cancel();
    this.#cancel = clock.after(ANSWER_MS, () => this.#dropUnconfirmed());
  }

  stop(): void {
    this.#cancel();
  }

  /** Who is in it on this node has changed. */
  tell(conversationId: string): void {
    this.#tell(conversationId, false);
  }

  heard(conversationId: string, note: Exclude<Note, { kind: 'entries' }>, nodeId: string): void {
    const { typing } = this.#options;
    switch (note.kind) {
      case 'typing-started':
        typing.startRemote(nodeId, conversationId, note.typist);
        return;
      case 'typing-stopped':
        typing.stopRemote(nodeId, conversationId, note.user, note.reason);
        return;
      case 'here':
        this.#unconfirmed.get(conversationId)?.delete(nodeId);
        this.#learn(conversationId, nodeId, peopleOf(note.users));
        for (const typist of note.typists)
          if (!typing.types(conversationId, typist.user)) typing.startRemote(nodeId, conversationId, typist);
        if (note.ask === true) this.#tell(conversationId, false);
    }
  }

  /** A node is gone, and with it everybody's connections. */
  forgetNode(nodeId: string): void {
    for (const conversationId of [...this.#people.keys()]) this.#learn(conversationId, nodeId, new Map());
    this.#options.typing.forgetNode(nodeId);
  }

  has(conversationId: string, user: User): boolean {
    const key = personKey(user);
    return [...(this.#people.get(conversationId)?.values() ?? [])].some((people) => people.has(key));
  }

  users(conversationId: string): User[] {
    return [...(this.#people.get(conversationId)?.values() ?? [])].flatMap((people) => [...people.values()]);
  }

  #dropUnconfirmed(): void {
    for (const [conversationId, nodeIds] of this.#unconfirmed)
      for (const nodeId of nodeIds) this.#learn(conversationId, nodeId, new Map());
    this.#unconfirmed.clear();
  }

  #learn(conversationId: string, nodeId: string, people: People): void {
    const byNode = this.#people.get(conversationId) ?? new Map<string, People>();
    const before = byNode.get(nodeId) ?? new Map<string, User>();
    if (people.size === 0) byNode.delete(nodeId);
    else byNode.set(nodeId, people);
    if (byNode.size === 0) this.#people.delete(conversationId);
    else this.#people.set(conversationId, byNode);

    const others = [...byNode].filter(([id]) => id !== nodeId);
    const here = new Set(this.#options.roster.joined(conversationId).map(({ actor }) => personKey(actor.user)));
    const isNews = (key: string): boolean => !here.has(key) && !others.some(([, known]) => known.has(key));
    const onlyIn = (some: People, rest: People): User[] =>
      [...some].filter(([key]) => !rest.has(key) && isNews(key)).map(([, user]) => user);
    const came = onlyIn(people, before);
    const went = onlyIn(before, people);
    if (came.length + went.length > 0) this.#options.onChange(conversationId, came, went);
  }

  #tell(conversationId: string, ask: boolean): void {
    const { bus, roster, typing } = this.#options;
    const users = [...peopleOf(roster.joined(conversationId).map(({ actor }) => actor.user)).values()];
    bus.publish(conversationId, {
      ...{ kind: 'here', users, typists: typing.ownNotes(conversationId) },
      ...(ask && { ask }),
    });
  }
}
