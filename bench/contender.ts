import type { ConversationState } from '../src/ports/store.ts';

export interface Decided {
  readonly conversation: ConversationState;
  readonly agentId: string;
}

/** A router that is told of one change after another, and carries out at once what it decides. */
export interface Contender {
  readonly waitingCount: number;
  /** Who gets a new conversation; undefined: it waits. */
  open(conversation: ConversationState): Decided | undefined;
  /** What the agent gets whose conversation is closed; undefined: nothing that waits is for him. */
  close(conversation: ConversationState): Decided | undefined;
}
