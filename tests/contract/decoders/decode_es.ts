// Reads replies, one a line in base64, and prints each as JSON.
import { fromBinary, toJsonString } from "@bufbuild/protobuf";
import { createInterface } from "node:readline";
import { ReplySchema } from "./muster/v1/presence_pb.js";

for await (const line of createInterface({ input: process.stdin })) {
  console.log(toJsonString(ReplySchema, fromBinary(ReplySchema, Buffer.from(line, "base64"))));
}
