import { Decoder } from 'socket.io-parser';
import { UNREAD } from '../../dispatch/dispatcher.ts';

/** Deeper than any payload of the contract; the stock decoder walks binary packets by recursion, so depth must be bounded first. */
const MAX_DEPTH = 64;
/** Where the event's name is looked for in a packet that is not read. */
const HEAD_LENGTH = 256;

const EVENT = '2';
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

interface DecodedPacket {
  type: number;
  nsp: string;
  id?: number;
  data: unknown[];
}

/**
 * Socket.IO's decoder (protocol v5, https://socket.io/docs/v4/socket-io-protocol/), but an event beyond the limits is not
 * parsed: its name and acknowledgement id are read, so that the sender gets one clear error and keeps the connection.
 */
export const boundedDecoder = (payloadBytes: number): typeof Decoder =>
  class BoundedDecoder extends Decoder {
    override add(packet: unknown): void {
      if (typeof packet !== 'string') {
        super.add(packet);
        return;
      }
      const type = packet.charAt(0);
      const tooLarge = isTooLarge(packet, payloadBytes);
      if (!tooLarge && (type !== BINARY_EVENT || !isTooDeep(packet))) {
        super.add(packet);
        return;
      }
      const head = HEAD.exec(packet.slice(0, HEAD_LENGTH));
      if (head === null) throw new Error('a packet beyond the limits that is not an event');
      const [, , attachments, id, name] = head;
      if (type === EVENT) {
        const decoded: DecodedPacket = { type: Number(EVENT), nsp: '/', data: [name, UNREAD] };
        if (id !== undefined && id !== '') decoded.id = Number(id);
        this.emitReserved('decoded', decoded as never);
        return;
      }
      // The attachments of a binary event follow in frames of their own: they are taken, as arguments that no request has.
      const count = Number(attachments ?? 0);
      const placeholders = Array.from({ length: Math.min(count, 64) }, (_, num) => ({ _placeholder: true, num }));
      super.add(`${BINARY_EVENT}${String(count)}-${id ?? ''}${JSON.stringify([name, {}, ...placeholders])}`);
    }
  };
