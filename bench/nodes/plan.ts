import type { CatchUpJob, CostsJob, MessagesJob, PacedJob, StormJob } from './jobs.ts';

/** What is measured, and how much of it. */
export interface Plan {
  /** Nothing is timed, and starting nodes for each line would take longer than all else. */
  readonly sharesNodes: boolean;
  readonly messages: MessagesJob;
  readonly latency: PacedJob;
  readonly fan: { readonly nodeCounts: readonly number[]; readonly job: MessagesJob };
  readonly catchUp: CatchUpJob;
  readonly storm: { readonly job: StormJob; readonly others: PacedJob };
  readonly costs: CostsJob;
}

/** Members on different nodes; every other room sends the other way. */
const ACROSS = { memberNodes: [0, 1], senders: [0, 1] } as const;
/** Both on the node that stays. */
const ON_SECOND = { memberNodes: [1, 1], senders: [0, 1] } as const;

export const FULL: Plan = {
  sharesNodes: false,
  messages: { kind: 'messages', roomCount: 200, ...ACROSS, inFlight: 64, warmUpCount: 10_000, messageCount: 30_000 },
  latency: { kind: 'paced', roomCount: 200, ...ACROSS, messagesPerSecond: 1_000, warmUpSeconds: 3, seconds: 10 },
  fan: {
    nodeCounts: [2, 3, 4],
    job: { kind: 'messages', roomCount: 20, ...ACROSS, inFlight: 16, warmUpCount: 200, messageCount: 3_000 },
  },
  catchUp: {
    kind: 'catch-up',
    ...{ conversationCount: 1_000, membersEach: 1, messagesPerSecond: 250, warmUpSeconds: 5, cutMs: 2_000 },
  },
  storm: {
    job: { kind: 'storm', conversationCount: 2_000, membersEach: 1, messagesPerSecond: 100, warmUpSeconds: 10 },
    others: { kind: 'paced', roomCount: 150, ...ON_SECOND, messagesPerSecond: 200, warmUpSeconds: 3, seconds: null },
  },
  costs: {
    kind: 'costs',
    ...{ idleSeconds: 10, connectionCount: 2_000, heldSeconds: 25 },
    ...{ fewMembers: 1, manyMembers: 20, roomCount: 20, messageCount: 3_000 },
  },
};

export const SMOKE: Plan = {
  sharesNodes: true,
  messages: { ...FULL.messages, roomCount: 10, inFlight: 16, warmUpCount: 50, messageCount: 300 },
  latency: { ...FULL.latency, roomCount: 10, messagesPerSecond: 200, warmUpSeconds: 0.2, seconds: 0.5 },
  fan: { nodeCounts: [2], job: { ...FULL.fan.job, roomCount: 4, inFlight: 4, warmUpCount: 20, messageCount: 100 } },
  catchUp: {
    ...FULL.catchUp,
    conversationCount: 10,
    membersEach: 2,
    messagesPerSecond: 50,
    warmUpSeconds: 0.3,
    cutMs: 500,
  },
  storm: {
    job: { ...FULL.storm.job, conversationCount: 10, membersEach: 2, messagesPerSecond: 20, warmUpSeconds: 0.5 },
    others: { ...FULL.storm.others, roomCount: 4, messagesPerSecond: 50, warmUpSeconds: 0.2 },
  },
  costs: {
    ...FULL.costs,
    ...{ idleSeconds: 0.5, connectionCount: 20, heldSeconds: 0.2, manyMembers: 3, roomCount: 2, messageCount: 50 },
  },
};
