/**
 * A detail of HDFS's file checksum that no document names, seen at HDFS 3.4.1: the MD5 of a file is not over the MD5s of its blocks
 * alone, but over the whole buffer in which they were gathered, and that one begins with 32 bytes and doubles
 * (FileChecksumHelper.makeMd5CrcResult over DataOutputBuffer.getData, Hadoop 3.4).
 */

const MD5_BYTES = 16;
const BUFFER_BYTES = 32;

/** How many zero bytes follow the MD5s of so many blocks before the MD5 of the file is taken. */
export function checksumPadding(blocks: number): number {
  let capacity = BUFFER_BYTES;
  while (capacity < blocks * MD5_BYTES) capacity *= 2;
  return capacity - blocks * MD5_BYTES;
}
