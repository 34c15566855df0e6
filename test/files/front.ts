/** A server behind another one, which passes requests on, answers some itself, or loses what was answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";

/** `pass`: what the server does with it is done; `tell`: the client gets the answer, else a connection that ends when `before` is done. */
export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  pass: (tell: boolean, before?: () => Promise<void>) => void,
) => void;

/** `server`: "host:port". */
export async function frontOf(
  server: string,
  answer: Answer,
): Promise<{ readonly address: string; readonly close: () => Promise<void> }> {
  const [host = "", port = ""] = server.split(":");
  // A connection for each request: one that waits for the next could be ended by the server at that very moment.
  const agent = new Agent({ keepAlive: false });
  const proxy = createServer((request, response) => {
    answer(request, response, (tell, before = async () => undefined) => {
      const { method, url: path, headers } = request;
      const passed = httpRequest({ agent, host, port, method, path, headers }, (answered) => {
        if (!tell)
          return void answered.resume().once("end", () => void before().then(() => response.destroy()));
        response.writeHead(answered.statusCode ?? 0, answered.headers);
        answered.pipe(response);
      });
      passed.once("error", () => response.destroy());
      request.pipe(passed);
    });
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        proxy.close(() => done());
        proxy.closeAllConnections();
      }),
  };
}
