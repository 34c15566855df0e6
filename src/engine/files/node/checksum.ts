/** HDFS's checksum of a file, of what its nodes have stored and of what is kept in the namespace. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { bytesFromLatin1 } from "../../../runtime/bytes.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import { askBlockMd5, fileChecksum, md5OfContent } from "../blocks/file-checksum.ts";
import type { Locations } from "../blocks/locations.ts";
import type { FileChecksum } from "../file-system.ts";
import type { FileSegments } from "../namespace/queries.ts";
import { settled } from "./namespace-log.ts";

/** Blocks that are asked for at a time. */
const ASKED_MAX = 16;

/** BLOCK_MISSING. Content kept in the namespace counts as the blocks that it would be. */
export async function checksumOf(
  link: BlockLink,
  locations: Locations,
  { status, segments }: FileSegments,
): Promise<FileChecksum> {
  const sums: (() => Promise<Bytes>)[] = [];
  for (const segment of segments) {
    if (segment.type === "inline") {
      for (let at = 0; at < segment.length; at += status.blockSize) {
        const part = segment.content.slice(at, at + status.blockSize);
        sums.push(() => Promise.resolve(md5OfContent(bytesFromLatin1(part))));
      }
    } else if (segment.length > 0) {
      sums.push(() => {
        const from = locations.readable(segment.id, segment.stamp, link.self).map(({ node }) => node);
        return settled<Bytes>((done) => askBlockMd5(link, segment, from, done));
      });
    }
  }
  const md5s: Bytes[] = [];
  for (let at = 0; at < sums.length; at += ASKED_MAX) {
    md5s.push(...(await Promise.all(sums.slice(at, at + ASKED_MAX).map((sum) => sum()))));
  }
  const first = segments.find(({ length }) => length > 0)?.length ?? 0;
  return fileChecksum(md5s, Math.min(first, status.blockSize));
}
