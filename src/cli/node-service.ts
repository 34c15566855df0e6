/** The child's side of a supervised node: starts when told, answers, stops in order, and never outlives its supervisor. */
import { QuorateError, causesOf, isQuorateError } from "../runtime/errors.ts";
import type { FromNode, NodeBrief, NodeConfig, ToNode } from "./node-channel.ts";

/** A node as its process sees it. */
export interface ServedNode {
  brief(): NodeBrief;
  /** Gives leadership away when this node has it and another can take it, and ends every server. */
  stop(): Promise<void>;
}

/** `onFatal`: for when the node cannot go on; tells the supervisor why and ends the process. */
export type StartServedNode = (config: NodeConfig, onFatal: (error: Error) => void) => Promise<ServedNode>;

/** Resolves to the exit code when the node was told to stop, lost its supervisor or got SIGTERM. Throws USAGE without one. */
export function serveSupervisor(startNode: StartServedNode): Promise<number> {
  if (!process.send) throw new QuorateError("USAGE", "quorate node is started by quorate start, not by hand");
  return new Promise((resolve) => {
    let node: Promise<ServedNode> | undefined;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      void stopNode(node).then((code) => {
        // The channel would keep this process alive.
        if (process.connected) process.disconnect();
        resolve(code);
      });
    };
    // Ctrl-C reaches every process of the terminal; the supervisor decides what it means.
    process.on("SIGINT", () => undefined);
    process.on("SIGHUP", () => undefined);
    process.on("SIGTERM", () => end());
    process.on("disconnect", () => end());
    process.on("message", (message) => {
      const order = message as ToNode;
      if (order.type === "start" && !node) {
        node = startNode(order.config, endAtOnce);
        node.then(
          () => tell({ type: "ready" }),
          (error: unknown) => {
            tell(failureOf(error));
            end();
          },
        );
      } else if (order.type === "status") {
        void node?.then((served) => tell({ type: "status", id: order.id, status: served.brief() }));
      } else if (order.type === "stop") {
        end();
      }
    });
  });
}

/** 0 when it stopped cleanly, 1 when it never ran or could not stop. */
async function stopNode(node: Promise<ServedNode> | undefined): Promise<number> {
  try {
    await (await node)?.stop();
    return 0;
  } catch {
    return 1;
  }
}

function failureOf(error: unknown): FromNode {
  const code = isQuorateError(error) ? error.code : "INVARIANT";
  const text = error instanceof Error ? error.message : String(error);
  // What a person can put right tells its cause in its own words; of the rest the cause is all there is to go by.
  const causes = code === "INVARIANT" && error instanceof Error ? causesOf(error) : undefined;
  return { type: "failed", code, message: causes === undefined ? text : `${text}: ${causes}` };
}

/** The message is in the channel's buffer when `send` returns, so that ending at once does not lose it. */
function endAtOnce(error: Error): never {
  tell(failureOf(error));
  process.exit(1);
}

function tell(message: FromNode): void {
  // The supervisor may be gone already; `disconnect` handles that.
  if (process.connected) process.send?.(message, () => undefined);
}
