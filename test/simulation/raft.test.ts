import { sweep } from "./sweep.ts";

sweep("raft");
