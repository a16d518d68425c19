import type { Socket } from 'socket.io';
import { PROTOCOL_VERSION } from '../../contract/events.ts';
import type { Limits } from '../../contract/limits.ts';
import type { Desk } from '../../core/desk.ts';
import type { VerifiedToken } from '../../ports/actor.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';

/** The life of a connection's token: ready, expiring, refreshed in place, or ended. */
export class Session {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #limits: Limits;
  #expiresAt: number;
  #cancel: () => void = () => undefined;

  constructor(
    socket: Socket,
    verified: VerifiedToken,
    { clock, limits, uploads }: Pick<Desk, 'clock' | 'limits' | 'uploads'>,
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#limits = limits;
    this.#expiresAt = verified.expiresAt;
    const { actor } = verified;
    socket.emit('session:ready', {
      userId: actor.user.id,
      role: actor.role,
      tenant: actor.tenant,
      name: actor.user.name,
      sessionId: socket.id,
      protocol: PROTOCOL_VERSION,
      serverTime: isoTime(clock.now()),
      tokenExpiresAt: isoTime(verified.expiresAt),
      limits,
      attachmentTypes: [...uploads.acceptedTypes],
    });
    this.#await();
  }

  /** Goes on until the new token's end. */
  renew(verified: VerifiedToken): void {
    this.#expiresAt = verified.expiresAt;
    this.#cancel();
    this.#await();
  }

  stop(): void {
    this.#cancel();
  }

  #await(): void {
    const left = this.#expiresAt - this.#clock.now();
    this.#cancel = this.#clock.after(Math.max(0, left - this.#limits.sessionExpiringMs), () => {
      // A timer is bounded, a token's life is not.
      if (this.#expiresAt - this.#clock.now() > this.#limits.sessionExpiringMs) this.#await();
      else this.#expiring();
    });
  }

  #expiring(): void {
    this.#socket.emit('session:expiring', { tokenExpiresAt: isoTime(this.#expiresAt) });
    this.#cancel = this.#clock.after(Math.max(0, this.#expiresAt - this.#clock.now()), () => {
      this.#socket.emit('session:ended', { code: 'token_expired', reconnect: true });
      // The transport, not the namespace: after a disconnect packet stock clients stay away.
      this.#socket.conn.close();
    });
  }
}
