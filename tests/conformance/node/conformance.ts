// Makes the calls that tests/conformance/README.md names, by @grpc/grpc-js.
import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  type ClientReadableStream,
  type ClientUnaryCall,
  compressionAlgorithms,
  credentials,
  makeClientConstructor,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import {
  Beat,
  type Change,
  ChangeKind,
  CountsRequest,
  LeaveReason,
  LeaveRequest,
  ListRequest,
  LiveRequest,
  NodesRequest,
  PresenceClient,
  Status,
  TouchRequest,
  WatchRequest,
  WatchResponse,
} from "./muster/v1/presence.js";

const DEADLINE_MS = 20_000;

// What is written to a method of a generated client.
type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

const after = (ms: number): Partial<CallOptions> => ({ deadline: Date.now() + ms });

/** Makes a unary call: `call(client, client.touch, TouchRequest.create(...))`. */
function call<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
  { timeoutMs = DEADLINE_MS, metadata = new Metadata() } = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadata, after(timeoutMs), (error, response) => error ? reject(error) : resolve(response));
  });
}

function variable(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

/** Gives a client of the address that a variable holds to a function, and closes it afterwards. */
async function withClient<Result>(
  address: string,
  use: (client: PresenceClient) => Promise<Result>,
  { security = credentials.createInsecure(), options = {} as ChannelOptions } = {},
): Promise<Result> {
  const client = new PresenceClient(variable(address), security, options);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** The error of a call that fails with one of the codes. */
async function expectCode(what: string, pending: Promise<unknown>, ...codes: status[]): Promise<ServiceError> {
  const error = await pending.then(() => undefined, (reason: ServiceError) => reason);
  assert.ok(
    error && codes.includes(error.code),
    `${what}: ended with ${error ?? "OK"}, expected ${codes.map((code) => status[code])}`,
  );
  return error;
}

/** A node answers over the client's channel. */
async function expectAnswer(client: PresenceClient, how: { timeoutMs?: number; metadata?: Metadata } = {}) {
  const { nodes } = await call(client, client.nodes, NodesRequest.create(), how);
  assert.equal(nodes.length, 1, "nodes");
}

function touch(client: PresenceClient, scope: string, ...beats: Partial<Beat>[]) {
  return call(client, client.touch, TouchRequest.create({ scope, beats }));
}

async function unary() {
  await withClient("MUSTER_PLAIN", async (client) => {
    const touched = await touch(client, "unary", { user: "ada" }, { user: "bob", status: Status.STATUS_BUSY });
    assert.equal(touched.joined, 2, "joined");
    const { users } = await call(client, client.live, LiveRequest.create({ scope: "unary", users: ["ada", "bob", "nobody"] }));
    assert.deepEqual(users.map((user) => user.live), [true, true, false], "live");
    assert.equal(users[1].status, Status.STATUS_BUSY, "bob's status");
    const { scopes } = await call(client, client.counts, CountsRequest.create({ scopes: ["unary"] }));
    assert.deepEqual(scopes.map(({ live, online, busy }) => [live, online, busy]), [[2n, 1n, 1n]], "counts");
  });
}

/** A watch of a scope, change by change. */
class Watch {
  readonly present: string[] = []; // the snapshot
  private readonly changes: Change[] = []; // that were not taken yet
  private readonly answers: AsyncIterator<WatchResponse>;

  private constructor(private readonly stream: ClientReadableStream<WatchResponse>) {
    stream.on("error", () => {}); // also an error that comes when nobody waits for an answer
    this.answers = stream[Symbol.asyncIterator]();
  }

  /** Returns when the snapshot is whole. */
  static async open(client: PresenceClient, scope: string, timeoutMs = DEADLINE_MS): Promise<Watch> {
    const watch = new Watch(client.watch(WatchRequest.create({ scope }), after(timeoutMs)));
    for (let more = true; more;) {
      const answer = await watch.answer();
      watch.present.push(...answer.present.map((user) => user.user));
      watch.changes.push(...answer.changes);
      more = answer.more;
    }
    return watch;
  }

  async next(): Promise<Change> {
    while (this.changes.length === 0) this.changes.push(...(await this.answer()).changes);
    return this.changes.shift()!;
  }

  async expectNext(kind: ChangeKind, user: string): Promise<Change> {
    const change = await this.next();
    assert.deepEqual([change.kind, change.user?.user], [kind, user], "change");
    return change;
  }

  cancel() {
    this.stream.cancel();
  }

  private async answer(): Promise<WatchResponse> {
    const { done, value } = await this.answers.next();
    assert.ok(!done, "the watch ended with OK");
    return value;
  }
}

async function stream() {
  await withClient("MUSTER_PLAIN", async (client) => {
    await touch(client, "stream", { user: "ada" });
    const watch = await Watch.open(client, "stream");
    assert.deepEqual(watch.present, ["ada"], "present");
    await touch(client, "stream", { user: "bob" });
    await watch.expectNext(ChangeKind.CHANGE_KIND_JOINED, "bob");
    await touch(client, "stream", { user: "bob", status: Status.STATUS_BUSY });
    const updated = await watch.expectNext(ChangeKind.CHANGE_KIND_UPDATED, "bob");
    assert.equal(updated.user?.status, Status.STATUS_BUSY, "status");
    await call(client, client.leave, LeaveRequest.create({ scope: "stream", departures: [{ user: "bob" }] }));
    const left = await watch.expectNext(ChangeKind.CHANGE_KIND_LEFT, "bob");
    assert.equal(left.reason, LeaveReason.LEAVE_REASON_LEFT, "reason");
    watch.cancel();
  });
}

async function deadline() {
  await withClient("MUSTER_PLAIN", async (client) => {
    const watching = Watch.open(client, "deadline", 300).then((watch) => watch.next());
    await expectCode("Watch", watching, status.DEADLINE_EXCEEDED);
    await expectAnswer(client, { timeoutMs: 10_000 });
  });
}

async function cancel() {
  await withClient("MUSTER_ONE_WATCH", async (client) => {
    const first = await Watch.open(client, "cancel");
    await expectCode("a second Watch", watchOneJoin(client), status.RESOURCE_EXHAUSTED);
    first.cancel();
    await expectCode("the cancelled Watch", first.next(), status.CANCELLED);

    // The node hears of it a moment later.
    const until = Date.now() + 10_000;
    for (;;) {
      const error: ServiceError | undefined = await watchOneJoin(client).then(() => undefined, (reason) => reason);
      if (error === undefined) return;
      if (error.code !== status.RESOURCE_EXHAUSTED || Date.now() > until) throw error;
      await sleep(10);
    }
  });
}

/** Watches until a user joins, who is touched after the snapshot. */
async function watchOneJoin(client: PresenceClient) {
  const watch = await Watch.open(client, "cancel");
  const user = `user-${process.hrtime.bigint()}`;
  await touch(client, "cancel", { user });
  await watch.expectNext(ChangeKind.CHANGE_KIND_JOINED, user);
  watch.cancel();
}

async function bigMetadata() {
  const padding = (bytes: number) => {
    const metadata = new Metadata();
    metadata.set("muster-padding", "x".repeat(bytes));
    return { metadata };
  };
  await withClient("MUSTER_PLAIN", async (client) => {
    await expectAnswer(client, padding(8 << 10));
    const tooMuch = expectAnswer(client, padding(20 << 10));
    await expectCode("20 KiB of metadata", tooMuch, status.RESOURCE_EXHAUSTED, status.INTERNAL);
    await expectAnswer(client);
  });
}

async function messageLimit() {
  await withClient("MUSTER_PLAIN", async (client) => {
    const large = touch(client, "message-limit", { user: "ada", state: Buffer.alloc(2 << 20) });
    await expectCode("Touch of 2 MiB", large, status.RESOURCE_EXHAUSTED);
    await expectAnswer(client);
  });
}

async function invalidArgument() {
  await withClient("MUSTER_PLAIN", async (client) => {
    const error = await expectCode("Touch of nobody", touch(client, "invalid-argument", {}), status.INVALID_ARGUMENT);
    assert.match(error.details, /user/, "the message names the field");
  });
}

async function compression() {
  const options = { "grpc.default_compression_algorithm": compressionAlgorithms.gzip };
  await withClient("MUSTER_MEASURED", async (client) => {
    const beats = Array.from({ length: 5000 }, (_, i) => ({ user: `compressed-${String(i).padStart(4, "0")}` }));
    const touched = await touch(client, "compression", ...beats);
    assert.equal(touched.joined, beats.length, "joined");
    const { users } = await call(client, client.list, ListRequest.create({ scope: "compression", pageSize: beats.length }));
    assert.equal(users.length, beats.length, "listed");
  }, { options });
}

async function reuse() {
  await withClient("MUSTER_COUNTED", async (client) => {
    const request = LiveRequest.create({ scope: "reuse", users: ["ada"] });
    await Promise.all(Array.from({ length: 1000 }, () => call(client, client.live, request)));
  });
}

/** Workers that touch without end, while the node restarts. */
class Load {
  readonly answered: string[] = []; // users whose Touch was answered
  readonly unexpected: ServiceError[] = []; // errors that are not UNAVAILABLE
  private isStopping = false;
  private readonly workers: Promise<void>[];

  constructor(private readonly client: PresenceClient) {
    this.workers = Array.from({ length: 8 }, (_, i) => this.work(`worker-${i}`));
  }

  private async work(name: string) {
    for (let i = 0; !this.isStopping; i++) {
      const user = `${name}-${i}`;
      try {
        await touch(this.client, "drain", { user });
        this.answered.push(user);
      } catch (error) {
        if ((error as ServiceError).code !== status.UNAVAILABLE) this.unexpected.push(error as ServiceError);
        await sleep(10);
      }
    }
  }

  async waitForAnswers(wanted: number) {
    for (const until = Date.now() + DEADLINE_MS; this.answered.length < wanted; await sleep(10)) {
      assert.ok(Date.now() < until, `answers: found ${this.answered.length}, expected ${wanted}; ${this.unexpected}`);
    }
  }

  async stop() {
    this.isStopping = true;
    await Promise.all(this.workers);
  }
}

async function drain() {
  await withClient("MUSTER_DRAINED", async (client) => {
    const load = new Load(client);
    try {
      await load.waitForAnswers(100);
      console.log("drain");
      const input = createInterface({ input: process.stdin });
      assert.equal((await input[Symbol.asyncIterator]().next()).value, "restarted", "the harness said");
      input.close();
      await load.waitForAnswers(load.answered.length + 100);
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.unexpected, [], "refusals that are not UNAVAILABLE");
    for (let i = 0; i < load.answered.length; i += 10_000) {
      const asked = load.answered.slice(i, i + 10_000);
      const { users } = await call(client, client.live, LiveRequest.create({ scope: "drain", users: asked }));
      assert.deepEqual(asked.filter((_, at) => !users[at].live), [], "answered, but not live");
    }
  });
}

async function health() {
  const HealthClient = makeClientConstructor(healthService, "Health");
  const client = new HealthClient(variable("MUSTER_PLAIN"), credentials.createInsecure());
  const method = client.check as Method<{ service: string }, { status: string }>;
  const check = (service: string) => call(client, method, { service });
  try {
    for (const service of ["", "muster.v1.Presence"]) {
      assert.equal((await check(service)).status, "SERVING", `health of "${service}"`);
    }
    await expectCode("Check of a service that is not there", check("muster.v1.Nothing"), status.NOT_FOUND);
  } finally {
    client.close();
  }
}

const content = (name: string) => readFileSync(variable(name));

async function tls() {
  const security = credentials.createSsl(content("MUSTER_CA"));
  await withClient("MUSTER_TLS", expectAnswer, { security });
}

async function mutualTLS() {
  const authority = content("MUSTER_CA");
  const security = credentials.createSsl(authority, content("MUSTER_CLIENT_KEY"), content("MUSTER_CLIENT_CERT"));
  await withClient("MUSTER_MUTUAL_TLS", expectAnswer, { security });
  const refused = withClient("MUSTER_MUTUAL_TLS", expectAnswer, { security: credentials.createSsl(authority) });
  await expectCode("without a certificate", refused, status.UNAVAILABLE);
}

const cases: [string, () => Promise<void>][] = [
  ["unary", unary],
  ["stream", stream],
  ["deadline", deadline],
  ["cancel", cancel],
  ["metadata", bigMetadata],
  ["message-limit", messageLimit],
  ["invalid-argument", invalidArgument],
  ["compression", compression],
  ["reuse", reuse],
  ["drain", drain],
  ["health", health],
  ["tls", tls],
  ["mutual-tls", mutualTLS],
];

for (const [name, run] of cases) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAILED ${name} ${String(error).replaceAll(/\s+/g, " ")}`);
    process.exitCode = 1;
  }
}
