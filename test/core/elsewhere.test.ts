import { describe, expect, it } from 'vitest';
import type { User } from '../../src/contract/schemas.ts';
import { Elsewhere } from '../../src/core/elsewhere.ts';
import { Roster } from '../../src/core/roster.ts';
import { TypingBoard } from '../../src/core/typing-board.ts';
import { createMemoryBus } from '../../src/cluster/memory-bus.ts';
import type { Bus, Note } from '../../src/ports/bus.ts';
import type { Rooms } from '../../src/ports/rooms.ts';
import { HandClock } from '../support/hand-clock.ts';

/** Nobody is here. */
const rooms: Rooms = {
  enter: () => false,
  exit: () => undefined,
  emit: () => undefined,
  emitHere: () => undefined,
  emitTo: () => undefined,
  probe: () => undefined,
  endRevoked: () => undefined,
};

const ann: User = { id: 'ann', name: 'Ann', role: 'customer' };

/** One node's view, of another that is called `far` and answers as the test says. */
const scene = (conversationCount: number, answers: (conversationId: string) => boolean) => {
  const clock = new HandClock();
  let connected = true;
  const asked: string[] = [];
  const gone: string[] = [];
  const bus: Bus = {
    ...createMemoryBus(),
    get connected() {
      return connected;
    },
    publish: (conversationId: string, note: Note) => {
      if (note.kind !== 'here' || note.ask !== true) return;
      asked.push(conversationId);
      if (answers(conversationId)) clock.after(1, () => hear(conversationId));
    },
  };
  const typing = new TypingBoard({ rooms, bus, clock, typingMs: 1_000, typingRepeatMs: 100 });
  const elsewhere = new Elsewhere({
    ...{ bus, roster: new Roster(), typing, clock },
    onChange: (conversationId, _came, went) => {
      if (went.length > 0) gone.push(conversationId);
    },
  });
  const hear = (conversationId: string): void => {
    if (connected) elsewhere.heard(conversationId, { kind: 'here', users: [ann], typists: [] }, 'far');
  };
  const ids = Array.from({ length: conversationCount }, (_, index) => `c_${String(index)}`);
  for (const id of ids) {
    elsewhere.followed(id);
    hear(id);
  }
  asked.length = 0;
  return { clock, elsewhere, ids, asked, gone, connect: (is: boolean) => (connected = is) };
};

describe('what another node said of who is there', () => {
  it('[NODE-6] is asked for again when it is doubted, a few conversations at a time, and stays where it answers', () => {
    const { clock, elsewhere, ids, asked, gone } = scene(6_000, (id) => !id.endsWith('7'));
    elsewhere.doubt('far');
    expect(asked.length).toBeLessThan(500);
    let most = 0;
    for (let ms = 0; ms < 10_000; ms += 5) {
      const before = asked.length;
      clock.moveBy(5);
      most = Math.max(most, asked.length - before);
    }
    expect(most).toBeLessThan(500);
    expect(asked).toEqual(ids);
    expect(gone).toEqual(ids.filter((id) => id.endsWith('7')));
    expect(elsewhere.has('c_6', ann)).toBe(true);
    expect(elsewhere.has('c_7', ann)).toBe(false);
  });

  it('[NODE-6] of a node of which nothing is known is not asked for', () => {
    const { clock, elsewhere, asked } = scene(10, () => true);
    elsewhere.doubt('another');
    clock.moveBy(10_000);
    expect(asked).toEqual([]);
  });

  it('[NODE-6] stays when the bus goes away before the answer, and when it was away in between', () => {
    const { clock, elsewhere, ids, gone, connect } = scene(10, () => false);
    elsewhere.doubt();
    clock.moveBy(500);
    connect(false);
    clock.moveBy(10_000);
    expect(gone).toEqual([]);
    connect(true);
    elsewhere.doubt();
    clock.moveBy(1_000);
    connect(false);
    clock.moveBy(1_000);
    connect(true);
    elsewhere.doubt();
    // The time of the question before is over, that of the last one is not.
    clock.moveBy(1_500);
    expect(gone).toEqual([]);
    clock.moveBy(2_000);
    expect(gone).toEqual(ids);
  });
});
