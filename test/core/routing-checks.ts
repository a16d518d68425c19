import type { Decision } from '../../src/contract/schemas.ts';
import type { Floor, Placement } from '../../src/core/routing/floor.ts';
import type { Random } from '../support/random.ts';
import type { Expected, ModelAgent, RoutingModel } from './routing-model.ts';

/** What customers would be told, by conversation. */
export type Places = ReadonlyMap<string, { readonly department: string | null; readonly text: string }>;

/** Without `expect`, which would take most of the time of a long walk. */
export const same = (found: unknown, expected: unknown, what: string): void => {
  if (found === expected) return;
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`);
};

/** The place is there, the agent too, and what the log will say of the choice is true. */
export const checkPlacement = (
  model: RoutingModel,
  { seat, conversationId, decision }: Placement,
  { conversation, candidates, agent }: Expected,
): void => {
  if (seat.load > seat.capacity) throw new Error(`${seat.id} has ${String(seat.load)} of ${String(seat.capacity)}`);
  if (!seat.leased || !seat.connected || seat.facts.status !== 'online') throw new Error(`${seat.id} is not there`);
  const known = candidates.map((one) => ({
    agentId: one.id,
    activeCount: model.active(one).length,
    capacity: one.capacity,
  }));
  same(decision.candidates, known.slice(0, 10), `candidates for ${conversationId}`);
  const others = model.agents.filter((one) => !candidates.includes(one) && model.worksOn(one, conversation.department));
  const skipped = decision.skipped.map(({ agentId }) => agentId).sort();
  if (decision.complete) same(skipped, others.map(({ id }) => id).sort(), `skipped for ${conversationId}`);
  const truth = (one: ModelAgent): Record<Decision['skipped'][number]['reason'], boolean> => ({
    offline: !one.leased || one.status === 'offline',
    away: one.status === 'away',
    disconnected: !one.connected,
    full: model.load(one) >= one.capacity,
    skills: !conversation.skills.every((skill) => one.skills.includes(skill)),
    passed: model.hasPassed(one, conversation),
    bot: one.isBot && !model.takesBots(conversation),
    person: agent.isBot && !one.isBot,
  });
  for (const { agentId, reason } of decision.skipped) {
    if (!truth(model.agent(agentId))[reason])
      throw new Error(`${agentId} was skipped for ${conversationId} as ${reason}, which is not so`);
  }
};

/** Everybody is where the model has him. */
export const checkFloor = (
  floor: Floor,
  model: RoutingModel,
  departments: readonly (string | null)[],
  random: Random,
): Places => {
  const line = model.line();
  const places = new Map<string, { department: string | null; text: string }>();
  for (const department of departments) {
    const told = [...floor.places(department)];
    const found = told.map(({ conversationId, place }) => `${conversationId} at ${String(place.position)}`);
    const expected = line
      .filter((one) => one.department === department)
      .map(({ id }, index) => `${id} at ${String(index + 1)}`);
    same(found.join(), expected.join(), `queue of ${String(department)}`);
    for (const { conversationId, place } of told)
      places.set(conversationId, { department, text: JSON.stringify(place) });
    if (told.length > 0) {
      const { conversationId, place } = random.pick(told);
      same(floor.place(conversationId), place, `place of ${conversationId}`);
    }
  }
  same(floor.waitingCount, line.length, 'waiting');
  for (const { id, status } of model.conversations) {
    if (status !== 'queued') same(floor.place(id), null, `place of ${id}`);
  }
  for (const agent of model.agents) {
    const seat = floor.seat(agent.id);
    if (seat === undefined) throw new Error(`no seat of ${agent.id}`);
    same([...seat.active].sort().join(), model.active(agent).sort().join(), `active of ${agent.id}`);
    same([...seat.held].sort().join(), model.held(agent).sort().join(), `held by ${agent.id}`);
  }
  return places;
};

/** Whoever waits is told of a new place, so its department must have been named. */
export const checkTold = (before: Places, now: Places, told: ReadonlySet<string | null>): void => {
  for (const [id, { department, text }] of now) {
    const known = before.get(id);
    if (known !== undefined && known.text !== text && !told.has(department))
      throw new Error(`nobody was told that ${id} has ${text}, and no longer ${known.text}`);
  }
};
