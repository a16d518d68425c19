import type { ConversationState } from '../src/ports/store.ts';

export interface Worker {
  readonly id: string;
  readonly departments: readonly string[];
  readonly skills: readonly string[];
}

export type Asked = Pick<ConversationState, 'department' | 'priority' | 'skills'>;

/** One half of the departments has more work than people, the other has people with room. */
export const HALVES = ['swamped', 'roomy'] as const;
export type Half = (typeof HALVES)[number];

const DEPARTMENTS_OF_A_HALF = 5;
const SKILLS = ['german', 'french', 'billing', 'network', 'returns', 'legal'] as const;
const PAIRS = SKILLS.flatMap((first, index) => SKILLS.slice(index + 1).map((second) => [first, second]));
/** Conversations that one agent can hold. */
export const CAPACITY = 5;
/** Share of the roomy half's places that are taken. */
export const ROOMY_LOAD = 0.5;

export type Random = () => number;

/** mulberry32, in [0, 1): every run sees the same desk and the same day. */
export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

export const departmentsOf = (half: Half): string[] =>
  Array.from({ length: DEPARTMENTS_OF_A_HALF }, (_, index) => `${half}-${String(index)}`);

const pick = <T>(items: readonly T[], random: Random): T => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

/** Different skills, `count` of them. */
const someSkills = (count: number, random: Random): string[] => {
  const left: string[] = [...SKILLS];
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0] ?? '');
};

/**
 * Each works in one department, every fifth in two of the same half, and has two or three of six skills. From 75 on, each department
 * has somebody for every two skills.
 */
export const hire = (half: Half, count: number): Worker[] => {
  const random = randomFrom(half === 'swamped' ? 1 : 2);
  const departments = departmentsOf(half);
  return Array.from({ length: count }, (_, index) => {
    const own = departments[index % departments.length] ?? '';
    const second = random() < 0.2 ? pick(departments, random) : own;
    const pair = PAIRS[Math.floor(index / departments.length) % PAIRS.length] ?? [];
    const more = random() < 0.5 ? [pick(SKILLS, random)] : [];
    return {
      id: `${half}-agent-${String(index)}`,
      departments: [...new Set([own, second])],
      skills: [...new Set([...pair, ...more])],
    };
  });
};

/** What a customer asks for: three in ten no skill, six one, one two; one in five is more urgent than the rest. */
export const ask = (half: Half, random: Random): Asked => {
  const share = random();
  const urgency = random();
  return {
    department: pick(departmentsOf(half), random),
    skills: someSkills(share < 0.3 ? 0 : share < 0.9 ? 1 : 2, random),
    priority: urgency < 0.8 ? 'normal' : urgency < 0.95 ? 'high' : 'urgent',
  };
};

/** Takes one out at random, in place of which the last one is put. */
export const takeAny = <T>(items: T[], random: Random): T => {
  const index = Math.floor(random() * items.length);
  const item = items[index];
  const last = items.pop();
  if (item === undefined || last === undefined) throw new Error('nothing to take');
  if (index < items.length) items[index] = last;
  return item;
};
