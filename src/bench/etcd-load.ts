/**
 * A load on etcd through its own protocol: gRPC (HTTP/2) calls of the service etcdserverpb.KV, encoded by hand, so that
 * the client costs little beside the server. Shapes: api/etcdserverpb/rpc.proto (PutRequest: key = 1, value = 2;
 * RangeRequest: key = 1, serializable = 7).
 */
import type { ClientHttp2Session } from "node:http2";
import { connect } from "node:http2";
import type { LatencySummary } from "./latency.ts";
import { summarise } from "./latency.ts";

export interface EtcdLoad {
  readonly endpoint: string;
  readonly operation: "put" | "range" | "serializable-range";
  readonly connections: number;
  /** Calls in flight on each connection. */
  readonly depth: number;
  readonly requests: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** Runs the load; rejects when a call fails or takes longer than 10 s. */
export async function loadEtcd(load: EtcdLoad): Promise<LatencySummary> {
  const sessions = await Promise.all(Array.from({ length: load.connections }, () => open(load.endpoint)));
  try {
    const latencies: number[] = [];
    let issued = 0;
    const startedMs = performance.now();
    const worker = async (session: ClientHttp2Session): Promise<void> => {
      while (issued < load.requests) {
        issued++;
        const sentMs = performance.now();
        await call(session, load.operation === "put" ? "Put" : "Range", requestOf(load));
        latencies.push(performance.now() - sentMs);
      }
    };
    await Promise.all(
      sessions.flatMap((session) => Array.from({ length: load.depth }, () => worker(session))),
    );
    return summarise(latencies, performance.now() - startedMs);
  } finally {
    for (const session of sessions) session.destroy();
  }
}

/** Puts one key; resolves when etcd has committed it. */
export async function putEtcd(
  endpoint: string,
  key: string,
  value: string,
  timeoutMs: number,
): Promise<void> {
  const session = await open(endpoint, timeoutMs);
  try {
    await call(session, "Put", framed(field(1, Buffer.from(key)), field(2, Buffer.from(value))), timeoutMs);
  } finally {
    session.destroy();
  }
}

function open(endpoint: string, timeoutMs = 10_000): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${endpoint}`);
    const timer = setTimeout(
      () => session.destroy(new Error(`no connection to etcd at ${endpoint}`)),
      timeoutMs,
    );
    session.once("connect", () => {
      clearTimeout(timer);
      resolve(session);
    });
    session.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function call(session: ClientHttp2Session, method: string, body: Buffer, timeoutMs = 10_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/etcdserverpb.KV/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: string | undefined;
    stream.setTimeout(timeoutMs, () =>
      stream.destroy(new Error(`etcd ${method}: no answer in ${timeoutMs} ms`)),
    );
    stream.on("response", (headers) => (status ??= headers["grpc-status"] as string | undefined));
    stream.on("trailers", (trailers) => (status = trailers["grpc-status"] as string | undefined));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status === "0") resolve();
      else reject(new Error(`etcd ${method}: grpc-status ${status}`));
    });
    stream.resume();
    stream.end(body);
  });
}

function requestOf(load: EtcdLoad): Buffer {
  const key = field(
    1,
    Buffer.from(
      `key:${Math.floor(Math.random() * load.keys)
        .toString()
        .padStart(12, "0")}`,
    ),
  );
  if (load.operation === "put") return framed(key, field(2, Buffer.alloc(load.valueBytes, "x")));
  return load.operation === "range" ? framed(key) : framed(key, Buffer.from([7 << 3, 1]));
}

/** A length-delimited protobuf field. */
function field(number: number, value: Buffer): Buffer {
  const head: number[] = [(number << 3) | 2];
  let length = value.length;
  for (; length >= 0x80; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), value]);
}

/** A gRPC message: uncompressed flag, length, protobuf. */
function framed(...fields: readonly Buffer[]): Buffer {
  const message = Buffer.concat(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
