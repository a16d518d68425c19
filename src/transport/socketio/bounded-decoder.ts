import { Decoder, PacketType } from 'socket.io-parser';
import { UNREAD } from '../../dispatch/dispatcher.ts';

/** Deeper than any payload of the contract; the stock decoder walks binary packets by recursion, so depth must be bounded first. */
const MAX_DEPTH = 64;
/** No request has more than one binary field; more frames than this are not kept. */
const MAX_ATTACHMENTS = 10;
/** Where the event's name is looked for in a packet that is not read. */
const HEAD_LENGTH = 256;

const BINARY_EVENT = '5';

/** Type, attachment count, namespace (only `/` is served), acknowledgement id, and the event's name. */
const HEAD = /^([25])(?:(\d+)-)?(?:\/,)?(\d*)\["((?:[^"\\\u0000-\u001f]){1,128})"/;

const isTooLarge = (packet: string, payloadBytes: number): boolean =>
  packet.length > payloadBytes || (packet.length * 3 > payloadBytes && Buffer.byteLength(packet) > payloadBytes);

const isTooDeep = (packet: string): boolean => {
  let depth = 0;
  for (let index = 0; index < packet.length; index += 1) {
    const code = packet.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
};

interface Head {
  readonly name: string;
  readonly id: number | undefined;
  readonly attachmentCount: number;
}

const readHead = (packet: string): Head => {
  const head = HEAD.exec(packet.slice(0, HEAD_LENGTH));
  if (head === null) throw new Error('a packet beyond the limits that is not an event');
  const [, , attachments, id, name = ''] = head;
  return {
    name,
    id: id === undefined || id === '' ? undefined : Number(id),
    attachmentCount: Number(attachments ?? 0),
  };
};

/** An event whose binary frames are on their way. */
interface Arriving extends Head {
  left: number;
  bytes: number;
  /** It is beyond the limits: its frames are let go as they come. */
  discarded: boolean;
}

/**
 * Socket.IO's decoder (protocol v5, https://socket.io/docs/v4/socket-io-protocol/), but an event beyond the limits is not
 * parsed: its name and acknowledgement id are read, so that the sender gets one clear error and keeps the connection.
 */
export const boundedDecoder = (payloadBytes: number): typeof Decoder =>
  class BoundedDecoder extends Decoder {
    #arriving: Arriving | undefined;

    override add(packet: unknown): void {
      if (typeof packet === 'string') this.#addText(packet);
      else this.#addBinary(packet as Buffer);
    }

    #addText(packet: string): void {
      if (this.#arriving !== undefined) throw new Error('expected a binary frame');
      const type = packet.charAt(0);
      const tooLarge = isTooLarge(packet, payloadBytes);
      if (type !== BINARY_EVENT) {
        if (tooLarge) this.#refuse(readHead(packet));
        else super.add(packet);
        return;
      }
      const head = readHead(packet);
      if (head.attachmentCount < 1) throw new Error('a binary event without binary');
      const discarded = tooLarge || head.attachmentCount > MAX_ATTACHMENTS || isTooDeep(packet);
      this.#arriving = { ...head, left: head.attachmentCount, bytes: packet.length, discarded };
      if (!discarded) super.add(packet);
    }

    #addBinary(frame: Buffer): void {
      const arriving = this.#arriving;
      if (arriving === undefined) throw new Error('a binary frame that belongs to no event');
      arriving.left -= 1;
      arriving.bytes += frame.length;
      if (arriving.left === 0) this.#arriving = undefined;
      if (!arriving.discarded && arriving.bytes > payloadBytes) {
        arriving.discarded = true;
        // Lets go of the frames that have come before.
        super.destroy();
      }
      if (!arriving.discarded) super.add(frame);
      else if (arriving.left === 0) this.#refuse(arriving);
    }

    #refuse({ name, id }: Head): void {
      const packet = { type: PacketType.EVENT, nsp: '/', data: [name, UNREAD], ...(id === undefined ? {} : { id }) };
      this.emitReserved('decoded', packet);
    }
  };
