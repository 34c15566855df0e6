/** HDFS's checksum of a file, of what its nodes have stored and of what is kept in the namespace. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { bytesFromLatin1 } from "../../../runtime/bytes.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import { askBlockMd5, fileChecksum, md5OfContent, md5OfMd5s } from "../blocks/file-checksum.ts";
import { groupSource } from "../erasure/group-source.ts";
import { md5OfLostShard } from "../erasure/shard-checksum.ts";
import type { GroupSource } from "../erasure/stripe-reader.ts";
import type { FileChecksum } from "../file-system.ts";
import { erasurePolicy, shardLength, shardUnits } from "../namespace/erasure-policy.ts";
import type { Segment } from "../namespace/model.ts";
import type { FileSegments } from "../namespace/queries.ts";
import type { ReadingMeans } from "./file-reader.ts";
import type { BlockSegment } from "./missing-block.ts";
import { Rounds } from "./missing-block.ts";
import { settled } from "./namespace-log.ts";

/** Blocks that are asked for at a time. */
const ASKED_MAX = 16;

/** BLOCK_MISSING, after nodes that come back were waited for as by a reader. Content kept in the namespace counts as the blocks that it would be. */
export async function checksumOf(
  means: ReadingMeans,
  { status, segments }: FileSegments,
  signal: AbortSignal | undefined,
): Promise<FileChecksum> {
  const coding = erasurePolicy(status.erasureCoding);
  const sums: (() => Promise<Bytes>)[] = [];
  for (const segment of segments) {
    if (segment.length === 0) continue;
    if (segment.type === "inline") {
      for (let at = 0; at < segment.length; at += status.blockSize) {
        const part = segment.content.slice(at, at + status.blockSize);
        const md5 = md5OfContent(bytesFromLatin1(part));
        // Never more than a cell: the group that it would be has one data shard.
        sums.push(() => Promise.resolve(coding === undefined ? md5 : md5OfMd5s([md5])));
      }
    } else {
      sums.push(() => blockMd5(means, status.path, segment, signal));
    }
  }
  const md5s: Bytes[] = [];
  for (let at = 0; at < sums.length; at += ASKED_MAX) {
    signal?.throwIfAborted();
    md5s.push(...(await Promise.all(sums.slice(at, at + ASKED_MAX).map((sum) => sum()))));
  }
  const first = segments.find(({ length }) => length > 0);
  return fileChecksum(md5s, first === undefined ? 0 : Math.min(summedLength(first), status.blockSize));
}

/** Bytes of what is summed first: of a block group, its first shard. */
function summedLength(segment: Segment): number {
  if (segment.type === "inline" || segment.coded === undefined) return segment.length;
  return shardLength(segment.coded.policy, segment.coded.groupLength, 0);
}

async function blockMd5(
  means: ReadingMeans,
  path: string,
  segment: BlockSegment,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const { link, locations } = means;
  const { id, stamp, coded } = segment;
  const rounds = new Rounds(means, segment);
  for (;;) {
    try {
      if (coded !== undefined)
        return await groupMd5(means, groupSource(segment, coded, locations, link.self));
      const from = locations.readable(id, stamp, link.self).map(({ node }) => node);
      return await settled<Bytes>((done) => askBlockMd5(link, segment, from, done));
    } catch (error) {
      await rounds.failed(error, `${path} has no checksum`, signal);
    }
  }
}

async function groupMd5(
  { link, damaged }: { readonly link: BlockLink } & Pick<ReadingMeans, "damaged">,
  source: GroupSource,
): Promise<Bytes> {
  const { block, stamp, geometry, groupLength, from } = source;
  const md5s: Bytes[] = [];
  for (const unit of shardUnits(geometry, groupLength)) {
    if (unit >= geometry.dataUnits) break;
    const shard = { id: block + unit, stamp, length: shardLength(geometry, groupLength, unit) };
    const asked = settled<Bytes>((done) => askBlockMd5(link, shard, from[unit] ?? [], done));
    // A shard that is lost has the checksums that it would have.
    const made = (): Promise<Bytes> =>
      settled((done) => md5OfLostShard(link, source, unit, (node, id) => damaged(id, stamp, node), done));
    md5s.push(await asked.catch(made));
  }
  return md5OfMd5s(md5s);
}
