/**
 * What files are written with in the simulated world: bytes in buffers of the pool (`engine/files/blocks/buffer-pool.ts`), as large
 * uploads have them. A buffer is overwritten as soon as nobody retains it, so that whoever still looks at it is found out.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { BUFFER_BYTES, release, takeBuffer } from "../../engine/files/blocks/buffer-pool.ts";
import type { FileWriter } from "../../engine/files/file-system.ts";

const SCRIBBLE = 0xee;

export async function writePooled(writer: FileWriter, content: Bytes): Promise<void> {
  const buffer = content.length <= BUFFER_BYTES ? takeBuffer() : undefined;
  if (buffer === undefined) return writer.write(content);
  buffer.set(content);
  try {
    await writer.write(buffer.subarray(0, content.length));
  } finally {
    release(buffer);
    scribble(content.length);
  }
}

/** Over the buffer that was released last. */
function scribble(length: number): void {
  const buffer = takeBuffer();
  if (buffer === undefined) return;
  buffer.fill(SCRIBBLE, 0, length);
  release(buffer);
}
