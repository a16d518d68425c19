import type { Bus } from '../ports/bus.ts';

/** The bus of a node that is alone: it has nobody to tell, and nobody tells it. */
export const createMemoryBus = (): Bus => ({
  connected: true,
  publish: () => undefined,
  subscribe: () => Promise.resolve(() => undefined),
  nudge: () => undefined,
  onNudge: () => undefined,
  greet: () => undefined,
  onGreeting: () => undefined,
  onLoss: () => undefined,
  revoke: () => undefined,
  onRevocation: () => undefined,
  onConnected: () => undefined,
  close: () => Promise.resolve(),
});
