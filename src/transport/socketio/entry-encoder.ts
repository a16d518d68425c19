import { Encoder, PacketType, type Packet } from 'socket.io-parser';
import { knownJsonText } from '../../ports/json-text.ts';

type Fields = Record<string, unknown>;

/** `{ ok: true, data: { entry, … } }`, around the text that the entry has already. */
const replyText = (reply: unknown): string | undefined => {
  const { ok, data } = reply as { ok?: boolean; data?: Fields };
  if (ok !== true || data === undefined) return undefined;
  const entry = knownJsonText(data['entry']);
  if (entry === undefined) return undefined;
  const fields = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${JSON.stringify(name)}:${name === 'entry' ? entry : JSON.stringify(value)}`);
  return `{"ok":true,"data":{${fields.join(',')}}}`;
};

/**
 * Socket.IO's encoder (protocol v5, https://socket.io/docs/v4/socket-io-protocol/), which writes events and replies around an entry's
 * JSON when that exists already, and does not look for binary in them.
 */
export class EntryEncoder extends Encoder {
  override encode(packet: Packet): unknown[] {
    const text = packet.nsp === '/' ? this.#around(packet) : undefined;
    return text === undefined ? super.encode(packet) : [text];
  }

  #around({ type, data, id }: Packet): string | undefined {
    const fields = data as unknown[];
    if (type === PacketType.EVENT && id === undefined && fields.length === 2) {
      const entry = knownJsonText(fields[1]);
      return entry === undefined ? undefined : `${String(PacketType.EVENT)}[${JSON.stringify(fields[0])},${entry}]`;
    }
    if (type === PacketType.ACK && fields.length === 1) {
      const reply = replyText(fields[0]);
      return reply === undefined ? undefined : `${String(PacketType.ACK)}${String(id)}[${reply}]`;
    }
    return undefined;
  }
}
