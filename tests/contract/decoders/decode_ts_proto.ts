// Reads replies, one a line in base64, and prints each as JSON.
import { createInterface } from "node:readline";
import { Reply } from "./muster/v1/presence.js";

for await (const line of createInterface({ input: process.stdin })) {
  const reply = Reply.decode(Buffer.from(line, "base64"));
  const stamp: bigint | undefined = reply.touch?.stamp; // beyond 2^53
  if (stamp !== undefined && BigInt.asUintN(64, stamp) !== stamp) throw new Error(`stamp ${stamp}`);
  console.log(JSON.stringify(Reply.toJSON(reply)));
}
