import type { Decision } from '../../contract/schemas.ts';
import type { Seat } from './seat.ts';
import { STRATEGIES, type StrategyName } from './strategies.ts';
import type { Waiting } from './waiting-list.ts';

type Skip = Decision['skipped'][number];

/** Entries stay readable, and as small, however many agents a desk has. */
const MAX_NAMED = 10;
/** Agents looked at for those who were skipped. */
const MAX_LOOKED_AT = 200;

const reasonOf = (seat: Seat, waiting: Waiting, chosen: Seat): Skip['reason'] => {
  if (seat.status === 'away') return 'away';
  if (seat.status === 'offline') return 'offline';
  if (!seat.connected) return 'disconnected';
  if (!waiting.group.skills.every((skill) => seat.facts.skills.includes(skill))) return 'skills';
  // Bots are not routed to here, or not any more.
  if (seat.isBot && !waiting.group.seats.has(seat)) return 'bot';
  if (seat.load >= seat.capacity) return 'full';
  if (chosen.isBot && !seat.isBot) return 'person';
  return 'passed';
};

/**
 * The decision as the log keeps it.
 *
 * @param candidates who could take it, the chosen one among them
 * @param covers whether an agent is there for the conversation's department at all; who is not is not named
 */
export const explain = (
  strategy: StrategyName,
  waiting: Waiting,
  candidates: readonly Seat[],
  chosen: Seat,
  seats: Iterable<Seat>,
  covers: (seat: Seat) => boolean,
): Decision => {
  const { compare, why } = STRATEGIES[strategy];
  // Only the few that are named are put in order.
  const named = candidates.length > MAX_NAMED * 5 ? [chosen] : [...candidates].sort(compare).slice(0, MAX_NAMED);
  const skipped: Skip[] = [];
  const free = new Set(candidates);
  let lookedAt = 0;
  let complete = named.length === candidates.length;
  for (const seat of seats) {
    lookedAt += 1;
    if (skipped.length === MAX_NAMED || lookedAt > MAX_LOOKED_AT) {
      complete = false;
      break;
    }
    if (free.has(seat) || !covers(seat)) continue;
    skipped.push({ agentId: seat.id, reason: reasonOf(seat, waiting, chosen) });
  }
  return {
    strategy,
    why: chosen.isBot ? `bots go first; ${why}` : why,
    candidates: named.map((seat) => ({ agentId: seat.id, activeCount: seat.active.size, capacity: seat.capacity })),
    skipped,
    complete,
  };
};
