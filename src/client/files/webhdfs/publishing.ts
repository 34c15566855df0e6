/** Many renames in one step: what WebHDFS has no words for, and Quorate serves beside it (`wire/files-admin.ts`). */
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { PublishJson, VersionJson } from "../../../wire/files-admin.ts";
import { FILES_ADMIN_PREFIX } from "../../../wire/files-admin.ts";
import type { CallOptions, FileVersion, Move, PublishOptions } from "../driver.ts";
import { readJson } from "./connections.ts";
import type { Calling, Endpoint } from "./endpoint.ts";

export async function version(
  endpoint: Endpoint,
  path: string,
  options: CallOptions,
): Promise<FileVersion | undefined> {
  const target = addressOf(endpoint, "/version", { path });
  const calling = { what: "version", method: "GET", target, repeatable: true };
  const answer = (await call(endpoint, calling, options)) as VersionJson;
  return answer.version ?? undefined;
}

export async function publish(
  endpoint: Endpoint,
  moves: readonly Move[],
  { expected = [], overwrite = false, createParents = false, ...options }: PublishOptions,
): Promise<void> {
  const json: PublishJson = {
    moves: moves.map(({ from, to }) => ({ from, to })),
    expected: expected.map(({ path, version: wanted }) => ({ path, version: wanted ?? null })),
    overwrite,
    createParents,
  };
  const target = addressOf(endpoint, "/publish", {});
  await call(endpoint, { what: "publish", method: "POST", target, json, repeatable: false }, options);
}

function addressOf(endpoint: Endpoint, path: string, query: Readonly<Record<string, string>>): string {
  const words = new URLSearchParams({ ...query, "user.name": endpoint.user });
  return `${FILES_ADMIN_PREFIX}${path}?${words.toString()}`;
}

/** Throws UNSUPPORTED when the server does not know the address at all: it is another one. */
async function call(endpoint: Endpoint, calling: Calling, options: CallOptions): Promise<unknown> {
  try {
    return await endpoint.call(calling, options, (answer) => readJson(answer));
  } catch (error) {
    if (!isQuorateError(error) || !error.message.startsWith("the server answered 404")) throw error;
    const text = `${calling.what}: only a cluster of Quorate renames many in one step`;
    throw new QuorateError("UNSUPPORTED", text, { cause: error });
  }
}
