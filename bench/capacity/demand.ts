import type { Workload } from './workload.ts';

/** What a workload asks of all nodes together, each second unless said otherwise. */
export interface Demand {
  readonly customers: number;
  readonly agents: number;
  /** Open at the same time. */
  readonly conversations: number;
  /** Pairs of a connection and a conversation it has joined. */
  readonly memberships: number;
  readonly messages: number;
  readonly receipts: number;
  readonly typings: number;
  readonly opened: number;
  readonly facts: number;
  readonly handshakes: number;
  readonly joins: number;
}

/** Opened, claimed, closed. */
export const FACTS_PER_CONVERSATION = 3;
const SECONDS_PER_HOUR = 3_600;

export const demandOf = (workload: Workload): Demand => {
  const { connections, idleShare, membersPerConversation: members, conversationsPerAgent } = workload;
  // Of a conversation one member is its customer, with a connection for it alone; the others share theirs among several.
  const conversations = (connections * (1 - idleShare)) / (1 + (members - 1) / conversationsPerAgent);
  const agents = (conversations * (members - 1)) / conversationsPerAgent;
  const messages = (connections * workload.messagesPerConnectionHour) / SECONDS_PER_HOUR;
  const opened = conversations / (workload.conversationMinutes * 60);
  const handshakes = connections / (workload.sessionMinutes * 60);
  const memberships = conversations * members;
  return {
    customers: connections - agents,
    agents,
    conversations,
    memberships,
    messages,
    receipts: messages * workload.receiptsPerMessage,
    typings: messages * workload.typingsPerMessage,
    opened,
    facts: opened * FACTS_PER_CONVERSATION,
    handshakes,
    joins: opened * members + (handshakes * memberships) / connections,
  };
};

/** Nodes that hold a member, when members sit anywhere: of `members` balls in `nodes` boxes the boxes that are not empty. */
export const nodesWithMembers = (nodes: number, members: number): number => nodes * (1 - (1 - 1 / nodes) ** members);

/**
 * How often a second something is done that takes, with the pause after it, `seconds`, and is begun again at once when it was asked for
 * meanwhile, else by the next who asks. Who ask come at random, `asked` a second.
 */
export const coalesced = (asked: number, seconds: number): number =>
  asked === 0 ? 0 : 1 / (seconds + Math.exp(-asked * seconds) / asked);
