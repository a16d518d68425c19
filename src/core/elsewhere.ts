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
/** Conversations that are asked about together, and how long after them the next: many at once would be more than the bus takes. */
const ASKED_TOGETHER = 100;
const ASK_PAUSE_MS = 10;

type People = ReadonlyMap<string, User>;
/** Nodes by conversation. */
type NodesIn = Map<string, Set<string>>;

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
  /** To be asked about, with the nodes of which what is known may be old. */
  #doubted: NodesIn = new Map();
  /** Asked about, with those of the nodes that have not answered yet. */
  readonly #unanswered = new Set<NodesIn>();
  readonly #cancels = new Set<() => void>();
  #isAsking = false;

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

  /**
   * What a node has said may be old, or what any has: they are asked again, and one that does not answer has nobody there. While the bus is
   * away nobody could, so it is to be called again when it is back.
   */
  doubt(nodeId?: string): void {
    if (!this.#options.bus.connected) return;
    if (nodeId === undefined) {
      // Answers to what was asked before may be lost, too.
      this.#unanswered.clear();
      for (const id of this.#followed) this.#doubted.set(id, new Set(this.#people.get(id)?.keys()));
    } else {
      for (const [id, byNode] of this.#people)
        if (byNode.has(nodeId)) this.#doubted.set(id, (this.#doubted.get(id) ?? new Set()).add(nodeId));
    }
    if (!this.#isAsking) this.#ask();
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
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
        for (const nodesIn of this.#unanswered) nodesIn.get(conversationId)?.delete(nodeId);
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

  /** Asks about some of the conversations, and goes on with the others after a pause. */
  #ask(): void {
    this.#isAsking = false;
    if (!this.#options.bus.connected) this.#doubted.clear();
    const asked: NodesIn = new Map();
    for (const [conversationId, nodeIds] of this.#doubted) {
      if (asked.size === ASKED_TOGETHER) break;
      asked.set(conversationId, nodeIds);
    }
    if (asked.size === 0) return;
    this.#unanswered.add(asked);
    for (const conversationId of asked.keys()) {
      this.#doubted.delete(conversationId);
      if (this.#followed.has(conversationId)) this.#tell(conversationId, true);
    }
    this.#after(ANSWER_MS, () => this.#forgetSilent(asked));
    this.#isAsking = true;
    this.#after(ASK_PAUSE_MS, () => this.#ask());
  }

  #forgetSilent(asked: NodesIn): void {
    // Void: it was asked again, or is to be once the bus is back.
    if (!this.#unanswered.delete(asked) || !this.#options.bus.connected) return;
    for (const [conversationId, nodeIds] of asked)
      for (const nodeId of nodeIds) this.#learn(conversationId, nodeId, new Map());
  }

  #after(delayMs: number, task: () => void): void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      task();
    });
    this.#cancels.add(cancel);
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
