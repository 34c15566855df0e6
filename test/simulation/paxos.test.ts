import { sweep } from "./sweep.ts";

sweep("paxos");
