import { expect, test } from "vitest";
import { refuseForeignNames, refusePages } from "./pages.ts";

const asks = (method: string, headers: { readonly host?: string; readonly origin?: string }) => (): void =>
  refusePages({ method, headers });

test("a page of another origin changes nothing, also when the owner of its name points it at this machine", () => {
  for (const method of ["POST", "PUT", "DELETE"]) {
    expect(asks(method, { host: "127.0.0.1:9870", origin: "http://evil.example" })).toThrow("another origin");
    for (const host of [
      "evil.example:9870",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "1.2.3.4.5",
      "",
    ])
      expect(asks(method, { host, origin: `http://${host}` }), host).toThrow("another origin");
    expect(asks(method, { host: "127.0.0.1:9870", origin: "null" })).toThrow("another origin");
    expect(asks(method, { origin: "http://evil.example" })).toThrow("another origin");
  }
});

test("programs, and pages that this machine served itself, are let in", () => {
  expect(asks("POST", { host: "node1.example:9870" })).not.toThrow();
  expect(asks("GET", { host: "127.0.0.1:9870", origin: "http://elsewhere.example" })).not.toThrow();
  for (const host of ["127.0.0.1:9870", "[::1]:9870", "localhost", "n1.localhost:80", "192.0.2.7:9870"])
    expect(asks("PUT", { host, origin: `http://${host}` }), host).not.toThrow();
});

const NAMES = new Set(["node1.example", "books"]);
const browses =
  (host: string, headers: Readonly<Record<string, string>> = { "accept-language": "" }) =>
  () =>
    refuseForeignNames({ headers: { host, ...headers } }, NAMES);

test("a page reads nothing under a name that its owner pointed at this machine, whatever it leaves out", () => {
  for (const host of [
    "evil.example:9870",
    "node1.example.evil.example",
    "xbooks",
    "127.0.0.1.evil.example",
    "",
  ])
    expect(browses(host), host).toThrow("--browser-names");
  for (const header of ["sec-fetch-site", "origin", "referer", "accept-language"])
    expect(browses("evil.example", { [header]: "x" }), header).toThrow("--browser-names");
  const whole = { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "user-agent": "node" };
  expect(browses("evil.example", whole)).toThrow("--browser-names");
});

test("browsers may call a node by an address, localhost and its own names; programs by any name", () => {
  for (const host of ["127.0.0.1:9870", "[::1]:9870", "localhost:9870", "NODE1.example:9870", "books"])
    expect(browses(host), host).not.toThrow();
  const ofHadoop = { "user-agent": "Java/17.0.1", accept: "text/html, image/gif, image/jpeg, */*; q=0.2" };
  const ofNode = { "user-agent": "node", "accept-language": "*", "sec-fetch-mode": "cors" };
  for (const headers of [{}, ofNode, { "user-agent": "curl/8.0", accept: "*/*" }, ofHadoop])
    expect(browses("namenode.cluster:9870", headers)).not.toThrow();
});
