import { LightClient, type ClientOptions, type Identity } from '../client.ts';

/** What the benchmark's client hands on to its WebSocket as it is: a text is a packet, bytes are a packet's binary. */
interface Frames {
  send(frame: string | Uint8Array): void;
}

/** A light client that sends binary too (Socket.IO protocol v5: a placeholder in the packet, the bytes in the next frame). */
export class UploadClient {
  readonly client: LightClient;
  readonly #frames: Frames;
  readonly #pending = new Map<number, (ok: boolean) => void>();
  #nextId = 0;

  constructor(identity: Identity, options: ClientOptions) {
    this.client = new LightClient(identity, options);
    this.#frames = this.client;
    this.client.onAcknowledged = (id, ok) => {
      this.#pending.get(id)?.(ok);
      this.#pending.delete(id);
    };
    // Nobody answers any more: the run is over, and failed.
    this.client.onClosed = () => {
      throw new Error(`the server closed the connection of ${identity.sub}`);
    };
  }

  /** Sends `payload` with `data` in it; resolves when it is acknowledged. @throws when it is refused */
  async binary(event: string, payload: object, data: Uint8Array): Promise<void> {
    const id = (this.#nextId += 1);
    const content = JSON.stringify([event, { ...payload, data: { _placeholder: true, num: 0 } }]);
    const ok = await new Promise<boolean>((resolve) => {
      this.#pending.set(id, resolve);
      this.#frames.send(`451-${String(id)}${content}`);
      this.#frames.send(data);
    });
    if (!ok) throw new Error(`${event} was refused: ${JSON.stringify(payload)}`);
  }
}
