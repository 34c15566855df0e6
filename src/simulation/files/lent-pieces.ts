/**
 * What files are written with in the simulated world: bytes in rooms (`engine/files/blocks/piece-rooms.ts`), as large uploads have
 * them. A room is overwritten as soon as nobody holds it, so that whoever still looks at it is found out.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { letGo, ROOM_BYTES, takeRoom } from "../../engine/files/blocks/piece-rooms.ts";
import type { FileWriter } from "../../engine/files/file-system.ts";

const SCRIBBLE = 0xee;

export async function writeLent(writer: FileWriter, content: Bytes): Promise<void> {
  const room = content.length <= ROOM_BYTES ? takeRoom() : undefined;
  if (room === undefined) return writer.write(content);
  room.set(content);
  try {
    await writer.write(room.subarray(0, content.length));
  } finally {
    letGo(room);
    scribble(content.length);
  }
}

/** Over the room that was let go of last. */
function scribble(length: number): void {
  const room = takeRoom();
  if (room === undefined) return;
  room.fill(SCRIBBLE, 0, length);
  letGo(room);
}
