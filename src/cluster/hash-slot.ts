export const SLOT_COUNT = 16_384;

/** CRC-16/XMODEM, as Redis counts it. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/** Which slot of a Redis Cluster serves a channel: the CRC of what stands in the first {…}, or of all (Redis Cluster specification). */
export const hashSlot = (channel: string): number => {
  const open = channel.indexOf('{');
  const shut = open < 0 ? -1 : channel.indexOf('}', open + 1);
  let crc = 0;
  for (const byte of Buffer.from(shut > open + 1 ? channel.slice(open + 1, shut) : channel))
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] ?? 0);
  return crc % SLOT_COUNT;
};
