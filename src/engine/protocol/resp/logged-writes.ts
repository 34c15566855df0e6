/**
 * A connection's commands in the log: writes, and reads that it must order among them.
 *
 * What came in one piece goes as one command of the log (`write-run.ts`); what came inline, was held, or is the server's own
 * doing goes alone, behind what has gathered.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { encodeRequest } from "../../../wire/resp/request-encoder.ts";
import { encodeCall } from "../../keyspace/command-codec.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import type { Reply } from "../../keyspace/reply.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import type { Connection } from "./connection.ts";
import { countScripts, type ServerContext } from "./context.ts";
import type { Answers, Request } from "./request.ts";
import { WriteRun } from "./write-run.ts";

const FRAMING_DISAGREES = new ReplyError("ERR Protocol error: the command is not well framed");

export class LoggedWrites {
  private readonly connection: Connection;
  private readonly server: ServerContext;
  private readonly answers: Answers;
  /** Gathers while the commands of a chunk are taken. */
  private readonly gathering = new WriteRun();
  /** In the log or in the run that will go there. */
  inFlight = 0;

  constructor(connection: Connection, answers: Answers) {
    this.connection = connection;
    this.server = connection.server;
    this.answers = answers;
  }

  /** Orders a command by the log. `fresh`: the parser still has its bytes. */
  ride(request: Request, fresh: boolean): void {
    const { parser } = this.connection;
    if (fresh && !parser.cameInline) {
      this.inFlight += 1;
      if (this.gathering.add(request, parser)) return;
      this.sendRun();
      this.gathering.add(request, parser);
      return;
    }
    this.sendRun();
    const { database, args } = request;
    const encoded = encodeCall(database, encodeRequest(args));
    this.write({ type: "call", database, args }, encoded, (reply) => {
      this.noteScripts(reply);
      this.answers.settle(request, reply);
    });
  }

  /** Puts a command into the log at once: what has gathered must have been sent. */
  write(logged: KeyspaceCommand, encoded: Bytes, done: (reply: Reply) => void): void {
    this.inFlight += 1;
    this.server.node.write(logged, encoded, (reply) => {
      this.inFlight -= 1;
      done(reply);
    });
  }

  /** Puts the writes that have gathered into the log. To be called before the parser is pushed another chunk. */
  sendRun(): void {
    if (this.gathering.empty) return;
    const { requests, command, encoded } = this.gathering.take();
    if (encoded === undefined) return this.refuseRun(requests);
    this.server.node.write(command, encoded, (reply) => {
      this.inFlight -= requests.length;
      this.noteScripts(reply);
      // Of several: one reply each, or what kept the log from taking them.
      const replies = isReplies(reply) && command.type === "calls" ? reply : requests.map(() => reply);
      this.answers.settleAll(requests, replies);
    });
  }

  /** The log's own codec reads something else in the bytes than the parser did: they must not reach it. */
  private refuseRun(requests: readonly Request[]): void {
    this.inFlight -= requests.length;
    this.server.logger.log("error", "resp.framing-disagrees", { client: this.connection.remoteAddress });
    this.answers.settleAll(
      requests,
      requests.map(() => FRAMING_DISAGREES),
    );
    this.connection.closeAfterReplies();
  }

  /** Counts and shows what scripts called that are answered with this. */
  private noteScripts(reply: Reply): void {
    const { monitors, node } = this.server;
    countScripts(this.server, node.machine.scriptTally(reply));
    if (!monitors.none) monitors.showCalls(node.machine.scriptCalls(reply));
  }
}

function isReplies(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}
