/** Key to hash slot, as Redis Cluster computes it (cluster specification, "Keys distribution model"). */
export const SLOT_COUNT = 16_384;

const TABLE: Uint16Array = crcTable();

function crcTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = crc & 0xffff;
  }
  return table;
}

/** CRC16 (XMODEM) of a binary string. */
export function crc16(text: string): number {
  let crc = 0;
  for (let at = 0; at < text.length; at += 1) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >>> 8) ^ text.charCodeAt(at)) & 0xff] as number);
  }
  return crc;
}

/** The slot of a key: of its {hash tag}, when it has one that is not empty. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  return crc16(hashed) % SLOT_COUNT;
}
