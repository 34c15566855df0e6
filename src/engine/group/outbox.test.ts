import { expect, test } from "vitest";
import { Outbox } from "./outbox.ts";

test("a message leaves when the write that it promises is durable, not before, and then in order", () => {
  const left: string[] = [];
  const outbox = new Outbox<string>((to, message) => left.push(`${to} ${message}`));
  outbox.send({ to: "n2", message: "vote", after: 1 });
  outbox.send({ to: "n2", message: "acknowledgement", after: 2 });
  outbox.send({ to: "n3", message: "acknowledgement", after: 3 });
  outbox.send({ to: "n3", message: "heartbeat", after: 0 });
  expect(left).toEqual(["n3 heartbeat"]);
  outbox.durable(2);
  expect(left.splice(0)).toEqual(["n3 heartbeat", "n2 vote", "n2 acknowledgement"]);
  outbox.durable(3);
  outbox.durable(4);
  expect(left).toEqual(["n3 acknowledgement"]);
});

test("a message whose write is durable already does not wait", () => {
  const left: string[] = [];
  const outbox = new Outbox<string>((_to, message) => left.push(message));
  outbox.durable(7);
  outbox.send({ to: "n2", message: "acknowledgement", after: 7 });
  expect(left).toEqual(["acknowledgement"]);
});
