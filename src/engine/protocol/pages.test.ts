import { expect, test } from "vitest";
import { refusePages } from "./pages.ts";

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
