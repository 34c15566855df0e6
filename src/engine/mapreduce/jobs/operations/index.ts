/** Every command and what it does. */
import type { CommandType } from "../commands.ts";
import { ATTEMPTS } from "./attempts.ts";
import { ENDING } from "./ending.ts";
import type { Operations } from "./operation.ts";
import { SUBMITTING } from "./submitting.ts";

export const OPERATIONS: Operations<CommandType> = { ...SUBMITTING, ...ATTEMPTS, ...ENDING };
