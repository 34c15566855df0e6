/**
 * Two inputs joined by a key: each order with the name of who placed it. Orders without a customer go to an output of their own.
 *
 *   quorate mr run examples/join.ts --input 0=customers.csv --input 1=orders.jsonl --output joined --local
 */
import { codec, input, job, mapped, output } from "quorate/mapreduce";

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly amount: number;
}

const CUSTOMER = 0;
const ORDER = 1;

export default job({
  inputs: [
    mapped({
      input: input.csv<"id" | "name">(),
      map: ({ id, name }, out) => out.emit([id, CUSTOMER], { name }),
    }),
    mapped({
      input: input.jsonLines<Order>(),
      map: (order, out) => out.emit([order.customer, ORDER], { order }),
    }),
  ],
  // The second part orders the values of a customer: the name comes first, so that no order need be kept in memory.
  key: codec.tuple(codec.text, codec.integer),
  value: codec.json<{ readonly name?: string; readonly order?: Order }>(),
  group: 1,
  reduce([customer], values, out) {
    let name: string | undefined;
    for (const value of values) {
      if (value.order === undefined) name = value.name;
      else if (name === undefined) out.to("orphans").emit(JSON.stringify(value.order));
      else out.emit({ customer, name, id: value.order.id, amount: value.order.amount });
    }
  },
  output: output.json<{
    readonly customer: string;
    readonly name: string;
    readonly id: string;
    readonly amount: number;
  }>(),
  outputs: { orphans: output.text() },
});
