/** How a waiting conversation finds an agent. */
export const STRATEGIES = ['least-busy', 'round-robin', 'longest-idle', 'manual', 'offer'] as const;
export type StrategyName = (typeof STRATEGIES)[number];
