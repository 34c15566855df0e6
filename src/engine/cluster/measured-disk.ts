/** A disk that tells how long its durable writes take: the figure that decides how fast a cluster can be. */
import type { Clock, Disk, DiskCallback, DiskFile } from "../../runtime/world.ts";
import type { Metrics } from "./metrics.ts";
import { LATENCY_BOUNDS_S } from "./metrics.ts";

/** The same disk, with `quorate_fsync_seconds` and `quorate_disk_written_bytes_total`. */
export function measureDisk(disk: Disk, clock: Clock, metrics: Metrics): Disk {
  const latency = metrics.histogram(
    "quorate_fsync_seconds",
    "How long a durable write or a sync took.",
    LATENCY_BOUNDS_S,
  );
  const written = metrics.counter("quorate_disk_written_bytes_total", "Bytes written to files.");

  const timed = (done: DiskCallback): DiskCallback => {
    const startMs = clock.monotonicMs();
    return (error) => {
      latency.observe((clock.monotonicMs() - startMs) / 1000);
      done(error);
    };
  };
  const measureFile = (file: DiskFile): DiskFile => ({
    read: (position, length, done) => file.read(position, length, done),
    write(position, chunks, mode, done) {
      for (const chunk of chunks) written.add(chunk.length);
      file.write(position, chunks, mode, mode === "durable" ? timed(done) : done);
    },
    sync: (done) => file.sync(timed(done)),
    truncate: (sizeBytes, done) => file.truncate(sizeBytes, done),
    close: () => file.close(),
  });
  type Opened = (error: Error | undefined, file?: DiskFile) => void;
  const measured =
    (done: Opened): Opened =>
    (error, file) =>
      file ? done(error, measureFile(file)) : done(error);

  return {
    list: () => disk.list(),
    size: (name) => disk.size(name),
    read: (name, position, length) => disk.read(name, position, length),
    create: (name, sizeBytes, done) => disk.create(name, sizeBytes, measured(done)),
    open: (name, done) => disk.open(name, measured(done)),
    rename: (from, to, done) => disk.rename(from, to, done),
    remove: (name, done) => disk.remove(name, done),
    syncDirectory: (done) => disk.syncDirectory(done),
    freeBytes: () => disk.freeBytes(),
  };
}
