import type { QueuePlace } from '../contract/schemas.ts';
import type { Clock } from '../ports/clock.ts';
import { allRoom, type Rooms } from '../ports/rooms.ts';
import type { ConversationState } from '../ports/store.ts';
import type { Roster } from './roster.ts';
import type { Floor } from './routing/floor.ts';

export interface QueueBoardOptions {
  readonly clock: Clock;
  readonly rooms: Rooms;
  readonly roster: Roster;
  readonly floor: (tenant: string) => Floor;
  /** See limits.queueUpdateMs. */
  readonly queueUpdateMs: number;
}

/** Who is placed at once is not first told a place. */
const SETTLE_MS = 50;
/** Up to here each step forward is told. */
const NEAR_HEAD = 50;
/** Further back, and of an expected wait, a change of so many parts. */
const TOLD_SHARE = 1 / 20;

const differs = (before: number, now: number): boolean => Math.abs(now - before) > before * TOLD_SHARE;

const worthTelling = (told: QueuePlace | undefined, place: QueuePlace): boolean => {
  if (told?.basis !== place.basis || told.opensAt !== place.opensAt) return true;
  if (told.position !== place.position && (place.position <= NEAR_HEAD || differs(told.position, place.position)))
    return true;
  return differs(told.estimatedWaitMs ?? 0, place.estimatedWaitMs ?? 0);
};

/** Tells who waits where he stands: together for a whole queue, not with every step of it. */
export class QueueBoard {
  readonly #options: QueueBoardOptions;
  readonly #told = new Map<string, QueuePlace>();
  readonly #changed = new Map<string, Set<string | null>>();
  #publishedAt = 0;
  #scheduled = false;

  constructor(options: QueueBoardOptions) {
    this.#options = options;
  }

  /** Places in a queue may have changed. */
  changed(tenant: string, department: string | null): void {
    const departments = this.#changed.get(tenant);
    if (departments === undefined) this.#changed.set(tenant, new Set([department]));
    else departments.add(department);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { clock, queueUpdateMs } = this.#options;
    const pauseMs = Math.max(SETTLE_MS, this.#publishedAt + queueUpdateMs - clock.now());
    clock.after(pauseMs, () => {
      this.#scheduled = false;
      this.#publishedAt = clock.now();
      this.#publish();
    });
  }

  /** A conversation waits no more. */
  left(conversationId: string): void {
    this.#told.delete(conversationId);
  }

  /** Somebody has begun to follow it, who may not have what others were told. */
  joined({ id, tenant, department, status }: ConversationState): void {
    this.#told.delete(id);
    if (status === 'queued') this.changed(tenant, department);
  }

  #publish(): void {
    const { roster, rooms, floor } = this.#options;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const [tenant, departments] of changed) {
      for (const department of departments) {
        for (const { conversationId, place } of floor(tenant).places(department)) {
          if (!roster.isFollowed(conversationId)) {
            this.#told.delete(conversationId);
            continue;
          }
          if (!worthTelling(this.#told.get(conversationId), place)) continue;
          this.#told.set(conversationId, place);
          const target = { rooms: [allRoom(conversationId)] };
          rooms.emitHere(target, 'queue:updated', { conversationId, ...place }, { ephemeral: true });
        }
      }
    }
  }
}
