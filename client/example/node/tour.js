// A tour of objpool from Node: lease, renew, wait, repeat, hold a session, and tell errors apart.
//
//   node tour.js [HOST:PORT]
//
// The server needs a pool "workers" of 2 to 1024 IDs, two of them free; all that is leased here is
// returned.
"use strict";

const { randomUUID } = require("node:crypto");
const path = require("node:path");
const { setTimeout: pause } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const protobuf = require("protobufjs");

const ADDRESS = process.argv[2] ?? "127.0.0.1:7420";
const POOL = "workers";
const CALL_MS = 10_000; // the longest that a call may take that does not wait
// What renew says of a grant that is over.
const LOST = ["GRANT_EXPIRED", "GRANT_RETURNED", "GRANT_REVOKED", "STALE_FENCE", "NOT_HOLDER",
  "POOL_UNKNOWN"];
const now = () => performance.now();
const PROTO = path.join(__dirname, "../../../proto");

// Numbers of 64 bits do not fit into a Number: IDs, fences and keys are strings here.
const definition = loader.loadSync(
  ["objpool/v1/lease_service.proto", "objpool/v1/pool_service.proto"],
  { includeDirs: [PROTO], longs: String, enums: String, oneofs: true });
const api = grpc.loadPackageDefinition(definition).objpool.v1;

// What grpc-js does not decode: the details of an error.
const errors = new protobuf.Root();
errors.resolvePath = (_, file) => (file.startsWith("/") ? file : path.join(PROTO, file));
errors.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);

// Of an error of a call: the stable reason, and after how many milliseconds to try again.
function why(error) {
  const told = { reason: grpc.status[error.code] ?? error.message, retryMs: undefined };
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (packed === undefined) return told;
  for (const detail of errors.lookupType("google.rpc.Status").decode(packed).details) {
    const name = detail.type_url.split("/").pop();
    if (name === "google.rpc.ErrorInfo") {
      told.reason = errors.lookupType(name).decode(detail.value).reason;
    } else if (name === "google.rpc.RetryInfo") {
      const { seconds, nanos } = errors.lookupType(name).decode(detail.value).retryDelay;
      told.retryMs = Number(seconds) * 1000 + nanos / 1e6;
    }
  }
  return told;
}

function call(client, method, request, waitMs = 0) {
  const deadline = Date.now() + CALL_MS + waitMs;
  return new Promise((resolve, reject) => {
    client[method](request, { deadline }, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

// One handle. The request has an id, so that it may be repeated when its answer is lost: a second
// call with the same id gets the same grant.
async function lease(fields = {}) {
  const request = { pool: POOL, requestId: randomUUID(), ...fields };
  for (let attempt = 1; ; ++attempt) {
    try {
      return (await call(leases, "lease", request, 1000 * (fields.maxWait?.seconds ?? 0))).grants[0];
    } catch (error) {
      if (error.code !== grpc.status.UNAVAILABLE || attempt === 3) throw error;
      await pause(why(error).retryMs ?? 200);
    }
  }
}

const giveBack = (...refs) =>
  call(leases, "return", { pool: POOL, items: refs.map((ref) => ({ grant: ref })) });

// Awaits `work(lost)` while the grant is renewed at a third of its time. When it is lost, the signal
// `lost` is aborted, and the work must stop using the handle at once: somebody else may have it.
// `leasedAt` is when the lease was asked for. False where it was lost.
async function hold(grant, leasedAt, work, ttlS) {
  const lost = new AbortController();
  let over = false;
  const done = work(lost.signal).finally(() => (over = true));
  let end = leasedAt + ttlS * 1000; // by our own clock, from before we asked: never too late
  for (;;) {
    await Promise.race([done, pause(Math.min((ttlS * 1000) / 3, Math.max(0, end - now())))]);
    if (over) break;
    const askedAt = now();
    if (askedAt >= end) lost.abort(); // nobody has answered for so long
    if (lost.signal.aborted) break;
    const request = { pool: POOL, grants: [grant.ref], ttl: { seconds: ttlS } };
    try {
      await call(leases, "renew", request, (ttlS * 1000) / 3 - CALL_MS);
      end = askedAt + ttlS * 1000;
    } catch (error) {
      if (LOST.includes(why(error).reason)) lost.abort();
    }
  }
  await done;
  return !lost.signal.aborted;
}

async function leaseAndRenew() {
  const leasedAt = now();
  const grant = await lease({ holder: "tour", ttl: { seconds: 3 } });
  console.log(`worker ${grant.id}: fence ${grant.ref.fence} goes with all that it writes`);
  const work = (lost) => pause(2500, undefined, { signal: lost }).catch(() => {});
  const held = await hold(grant, leasedAt, work, 3);
  await giveBack(grant.ref);
  console.log(held ? "held and returned" : "lost");
}

async function waitForOne() {
  const { pool } = await call(pools, "getPool", { name: POOL });
  const all = { pool: POOL, count: Number(pool.capacity), minCount: 1 }; // all that are free
  const taken = (await call(leases, "lease", all)).grants;
  try {
    await lease();
  } catch (error) {
    const { reason, retryMs } = why(error);
    console.log(`${reason}: the server thinks that one is free in ${retryMs} ms`);
  }
  const later = pause(200).then(() => giveBack(taken[0].ref));
  const grant = await lease({ maxWait: { seconds: 30 } });
  console.log(`waited, and got worker ${grant.id}, fence ${grant.ref.fence} after ${taken[0].ref.fence}`);
  await later;
  await giveBack(grant.ref, ...taken.slice(1).map(({ ref }) => ref));
}

// Grants of a session are returned when its client dies; one heartbeat renews all of them.
function holdASession() {
  const stream = leases.session({ deadline: Date.now() + CALL_MS });
  const answered = (answer) => {
    switch (answer.answer) {
      case "lease":
        return console.log(`the session has worker ${answer.lease.grants[0].id}`);
      case "heartbeat":
        console.log(`renewed ${answer.heartbeat.renewed} by one heartbeat`);
        return stream.write({ operations: [{ id: 4, goodbye: {} }] });
      case "goodbye":
        return console.log(`returned ${answer.goodbye.returned} with the session`);
      default:
        return stream.destroy(new Error(answer.error.message));
    }
  };
  return new Promise((resolve, reject) => {
    stream.on("data", (reply) => reply.answers.forEach(answered));
    stream.on("error", reject);
    stream.on("end", () => { stream.end(); resolve(); });
    stream.write({
      start: { holder: "tour", linger: { seconds: 5 } },
      operations: [
        { id: 1, lease: { pool: POOL } },
        { id: 2, lease: { pool: POOL } },
        { id: 3, heartbeat: {} },
      ],
    });
  });
}

async function tellErrorsApart() {
  const { ref } = await lease();
  const stranger = await lease();
  await call(pools, "revokeGrant", { pool: POOL, handle: ref.handle, fence: ref.fence });
  const forged = { ...stranger.ref, key: 1 };
  for (const [what, attempt] of [
    ["renew what was revoked", () => call(leases, "renew", { pool: POOL, grants: [ref] })],
    ["return with a wrong key", () => giveBack(forged)],
    ["lease from no pool", () => call(leases, "lease", { pool: "nowhere" })],
    ["lease none", () => call(leases, "lease", { pool: POOL, count: 5000 })],
  ]) {
    await attempt().then(
      () => console.log(`${what}: done?`),
      (error) => console.log(
        `${what}: ${grpc.status[error.code]} ${why(error).reason}: ${error.details}`));
  }
  await giveBack(stranger.ref);
  const again = (await giveBack(stranger.ref)).results[0].alreadyReturned;
  console.log(`returned twice: ${again ? "already_returned" : "returned"}`);
}

const credentials = grpc.credentials.createInsecure();
const leases = new api.LeaseService(ADDRESS, credentials);
const pools = new api.PoolService(ADDRESS, credentials);

leaseAndRenew()
  .then(waitForOne)
  .then(holdASession)
  .then(tellErrorsApart)
  .catch((error) => {
    console.error(`tour.js: ${why(error).reason}: ${error.details ?? error.message}`);
    process.exitCode = 1;
  })
  .finally(() => [leases, pools].forEach((client) => client.close()));
