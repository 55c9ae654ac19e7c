// The cases of the suite by Node and grpc-js, as conformance_client.cc has them by C++:
//
//   node conformance.js ADDRESS
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const PROTO = path.join(__dirname, "../../proto");
const FILES = ["objpool/v1/lease_service.proto", "objpool/v1/pool_service.proto",
  "objpool/v1/buffer_service.proto", "grpc/health/v1/health.proto"];
const DEADLINE_MS = 60_000;
const BUFFER_BYTES = 1 << 20;
const PIECE_BYTES = 100_000;

const definition = loader.loadSync(FILES, { includeDirs: [PROTO], longs: String, enums: String });
const api = grpc.loadPackageDefinition(definition);
const address = process.argv[2];

function clients(options = {}) {
  const credentials = grpc.credentials.createInsecure();
  const make = (Service) => new Service(address, credentials, options);
  return { leases: make(api.objpool.v1.LeaseService), pools: make(api.objpool.v1.PoolService),
    buffers: make(api.objpool.v1.BufferService), health: make(api.grpc.health.v1.Health) };
}
const { leases, pools, buffers, health } = clients();

const options = (ms = DEADLINE_MS) => ({ deadline: Date.now() + ms });

// { code, message, reply } of a unary call.
function call(client, method, request, { metadata = new grpc.Metadata(), ms } = {}) {
  return new Promise((resolve) => client[method](request, metadata, options(ms), (error, reply) =>
    resolve({ code: error?.code ?? 0, message: error?.details, reply })));
}

// Of a stream: all that comes, and how it ends.
function ended(stream) {
  const got = [];
  return new Promise((resolve) => {
    let error;
    stream.on("data", (message) => got.push(message));
    stream.on("error", (problem) => { error = problem; });
    stream.on("status", (status) => resolve({ code: status.code, error, got }));
  });
}

function must(good, what) {
  if (!good) throw new Error(what);
}
function mustEnd({ code, message }, wanted) {
  must(code === wanted, `ended with ${code}, ${message}, not with ${wanted}`);
}

async function leaseOne(pool) {
  const done = await call(leases, "lease", { pool });
  mustEnd(done, grpc.status.OK);
  return done.reply.grants[0].ref;
}
const giveBack = (pool, ...refs) =>
  call(leases, "return", { pool, items: refs.map((grant) => ({ grant })) });

// An open session, and a function that gives its messages one after the other.
async function session() {
  const stream = leases.session(new grpc.Metadata(), options());
  const come = [], wanted = [];
  stream.on("data", (message) => (wanted.length ? wanted.shift()(message) : come.push(message)));
  stream.on("error", () => {});
  const end = new Promise((resolve) => stream.on("status", resolve));
  const next = () => (come.length ? Promise.resolve(come.shift())
    : new Promise((resolve) => wanted.push(resolve)));
  stream.write({ start: { linger: {} } });
  must((await next()).opened, "no session");
  return { stream, next, end };
}

const cases = {
  async empty_unary() {
    const done = await call(health, "check", {});
    mustEnd(done, grpc.status.OK);
    must(done.reply.status === "SERVING", "not serving");
  },
  async large_unary() {
    const done = await call(leases, "lease", { pool: "large", count: 1024 });
    mustEnd(done, grpc.status.OK);
    const back = await giveBack("large", ...done.reply.grants.map((grant) => grant.ref));
    mustEnd(back, grpc.status.OK);
    must(back.reply.results.length === 1024, "other counts");
  },
  async client_and_server_streaming() {
    const grant = await leaseOne("buffers");
    const data = Buffer.alloc(BUFFER_BYTES, "node and more");
    const written = await new Promise((resolve, reject) => {
      const stream = buffers.write(new grpc.Metadata(), options(),
        (error, reply) => (error ? reject(error) : resolve(reply)));
      stream.write({ pool: "buffers", grant, offset: "0" });
      for (let at = 0; at < data.length; at += PIECE_BYTES) {
        stream.write({ data: data.subarray(at, at + PIECE_BYTES) });
      }
      stream.end();
    });
    const read = await ended(buffers.read({ pool: "buffers", grant }, options()));
    mustEnd(read, grpc.status.OK);
    mustEnd(await giveBack("buffers", grant), grpc.status.OK);
    must(Number(written.bytesWritten) === data.length, "other counts");
    must(Buffer.concat(read.got.map((chunk) => chunk.data)).equals(data), "other bytes");
  },
  async ping_pong() {
    const { stream, next, end } = await session();
    for (let ping = 1; ping <= 100; ++ping) {
      stream.write({ operations: [{ id: ping, heartbeat: {} }] });
      const { answers } = await next();
      must(answers.length === 1 && answers[0].id === String(ping), "another answer");
    }
    stream.end();
    mustEnd(await end, grpc.status.OK);
  },
  async empty_stream() {
    const stream = leases.session(new grpc.Metadata(), options());
    const end = ended(stream);
    stream.end();
    const { code, got } = await end;
    must(got.length === 0, "an answer to nothing");
    mustEnd({ code }, grpc.status.INVALID_ARGUMENT);
  },
  async cancel_after_begin() {
    const code = await new Promise((resolve) => {
      const stream = buffers.write(new grpc.Metadata(), options(), (error) => resolve(error?.code));
      stream.cancel();
    });
    mustEnd({ code }, grpc.status.CANCELLED);
  },
  async cancel_after_first_reply() {
    const { stream, end } = await session();
    stream.cancel();
    mustEnd(await end, grpc.status.CANCELLED);
  },
  async deadline_while_waiting() {
    const grant = await leaseOne("one");
    const done = await call(leases, "lease", { pool: "one", maxWait: { seconds: 3600 } },
      { ms: 50 });
    mustEnd(await giveBack("one", grant), grpc.status.OK);
    mustEnd(done, grpc.status.DEADLINE_EXCEEDED);
  },
  // Each is reset when its time is over, on one connection.
  async many_deadlines() {
    const grant = await leaseOne("one");
    const all = [];
    for (let round = 0; round < 16; ++round) {
      all.push(...await Promise.all(Array.from({ length: 200 }, () =>
        call(leases, "lease", { pool: "one", maxWait: { seconds: 3600 } }, { ms: 250 }))));
    }
    mustEnd(await giveBack("one", grant), grpc.status.OK);
    for (const done of all) mustEnd(done, grpc.status.DEADLINE_EXCEEDED);
  },
  async status_message() {
    const name = "100% \u00e4\u20ac\u{1f608}";
    const done = await call(pools, "getPool", { name });
    mustEnd(done, grpc.status.NOT_FOUND);
    must(done.message === `no pool is named "${name}"`, done.message);
  },
  unknown_method: () => unknown("/objpool.v1.LeaseService/Nothing"),
  unknown_service: () => unknown("/objpool.v1.NoService/Lease"),
  async custom_metadata() {
    const metadata = new grpc.Metadata();
    metadata.add("x-name", "value");
    metadata.add("x-name", "value");
    metadata.add("x-bytes-bin", Buffer.from([0, 255, 128, 44]));
    metadata.add("x-long", "v".repeat(4000));
    mustEnd(await call(health, "check", {}, { metadata }), grpc.status.OK);
  },
  async compressed_request() {
    const compressing = clients({ "grpc.default_compression_algorithm": 2 });
    const { code, message } = await call(compressing.health, "check", { service: "x".repeat(99) });
    // Taken, and the service is unknown; or not taken.
    const taken = code === grpc.status.NOT_FOUND;
    must(taken || code === grpc.status.UNIMPLEMENTED, `ended with ${code}, ${message}`);
  },
  async many_streams() {
    const all = [];
    for (let i = 0; i < 200; ++i) all.push(await session());
    for (const { stream } of all) stream.end();
    for (const { end } of all) mustEnd(await end, grpc.status.OK);
  },
  async request_too_large() {
    const done = await call(leases, "lease", { pool: "p".repeat(256 * 1024) });
    mustEnd(done, grpc.status.RESOURCE_EXHAUSTED);
  },
  async reply_too_large() {
    const small = clients({ "grpc.max_receive_message_length": 10 });
    mustEnd(await call(small.pools, "listPools", {}), grpc.status.RESOURCE_EXHAUSTED);
    mustEnd(await call(small.health, "check", {}), grpc.status.OK);
  },
};

async function unknown(method) {
  const same = (bytes) => bytes;
  const code = await new Promise((resolve) => leases.makeUnaryRequest(method, same, same,
    Buffer.alloc(0), new grpc.Metadata(), options(), (error) => resolve(error?.code ?? 0)));
  mustEnd({ code }, grpc.status.UNIMPLEMENTED);
}

(async () => {
  for (const [name, run] of Object.entries(cases)) {
    const verdict = await run().then(() => "ok", (error) => error.message);
    console.log(`${name} ${verdict.replaceAll("\n", " ")}`);
  }
  process.exit(0); // without waiting for connections
})();
