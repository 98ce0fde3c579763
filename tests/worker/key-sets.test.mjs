/** Issuers' key sets: three layers of cache, keys that change under way, and issuers that are not there. */
import { describe, expect, test } from "vitest";
import { accepted, refusedBearer } from "../support/answers.mjs";
import { signingPair } from "../support/jwt.mjs";
import { until } from "../support/poll.mjs";
import { useStage } from "../support/stage.mjs";

const COOL_DOWN_SECONDS = 30;
const HOUR = 3600;

/**
 * Cache-Control as published, seconds after which the set is still kept, seconds after which it has been asked for
 * again. In between it may be renewed beside a request.
 */
const LIFETIMES = [
  ["brief", "max-age=1", 40, 62],
  ["never-kept", "no-store", 40, 62],
  ["middle", "public, max-age=600", 400, 601],
  ["long", "public, max-age=86400, immutable", 2400, HOUR + 1],
  ["unsaid", null, 40, HOUR + 1],
];

const good = (from) => JSON.stringify({ keys: from.published });
const REFUSED = [
  ["redirect", "that is a redirect", (from) => ({ status: 302, headers: { location: `${from.origin}/other.json` } })],
  ["html", "that is not JSON", () => ({ body: "<html>not here</html>" })],
  ["keyless", "without keys", () => ({ body: "{}" })],
  ["listless", "whose keys are no list", () => ({ body: '{"keys":{}}' })],
  ["failing", "that is an error", (from) => ({ status: 500, body: good(from) })],
  ["large", "of more than 256 KB", (from) => ({ body: good(from) + " ".repeat(256 * 1024) })],
  ["huge", "of megabytes", () => ({ body: Buffer.alloc(5 * 1024 * 1024, 0x20) })],
];

const names = [
  ..."cached layered broken-kv rotating-rs rotating-es retired down storm bystander waiting abandoned slow partial soured".split(
    " ",
  ),
  ...LIFETIMES.map(([name]) => name),
  ...REFUSED.map(([name]) => name),
];
const stage = useStage({
  isolates: 2,
  issuers: [
    ...names.map((name) => ({ name, ...(name === "rotating-es" && { alg: "ES256" }) })),
    { name: "discovered", discovery: true },
    { name: "pretender", discovery: true },
    { name: "sent-away", discovery: true },
  ],
});

const issuer = (name) => stage.issuers.find((each) => each.name === name);
const ask = (from, { isolate = 0, token } = {}) =>
  stage.person({ issuer: from }).associateOtp({ isolate, ...(token && { token }) });
const unknownKid = (from, index = 0) => stage.person({ issuer: from }).mfaToken({}, { kid: `nobody-${index}` });

/** Refused for want of a key: as a bad bearer, or as something that may be there later. Never accepted, never a 500. */
async function refusedForWantOfAKey(response) {
  expect([401, 503]).toContain(response.status);
  if (response.status === 401) await refusedBearer(response);
}

describe("the layers", () => {
  test("a key set is fetched once, then kept in the isolate: the second token costs neither KV nor a fetch", async () => {
    const from = issuer("cached");
    const first = await stage.world.cost(() => ask(from));
    await accepted(first.result);
    expect(first.fetches).toEqual([from.jwksUri]);
    expect(first.kvWrites).toHaveLength(1);
    const second = await stage.world.cost(() => ask(from));
    await accepted(second.result);
    expect(second).toMatchObject({ kvReads: [], kvWrites: [], fetches: [] });
    expect(from.fetches.keySet).toBe(1);
  });

  test("another isolate finds it in KV and does not fetch it", async () => {
    const from = issuer("layered");
    await accepted(await ask(from));
    const { result, kvReads, fetches } = await stage.world.cost(() => ask(from, { isolate: 1 }));
    await accepted(result);
    expect(kvReads).toHaveLength(1);
    expect(fetches).toEqual([]);
    expect(from.fetches.keySet).toBe(1);
  });

  test("a KV that fails is done without", async () => {
    const from = issuer("broken-kv");
    await stage.world.fail({ on: "JWKS", times: 100, message: "KV GET failed: 503 Service Unavailable" });
    await accepted(await ask(from));
    await accepted(await ask(from, { isolate: 1 }));
    await stage.world.heal();
    expect(from.fetches.keySet).toBe(2);
  });

  test("a key set found by discovery takes one fetch of each document", async () => {
    const from = issuer("discovered");
    await accepted(await ask(from));
    await accepted(await ask(from));
    expect(from.fetches).toEqual({ keySet: 1, discovery: 1 });
  });
});

describe("keys that change", () => {
  test("two issuers with different algorithms rotate: one fetch each, and neither takes the other's algorithm", async () => {
    const [rsa, elliptic] = [issuer("rotating-rs"), issuer("rotating-es")];
    for (const from of [rsa, elliptic]) await accepted(await ask(from));
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    for (const from of [rsa, elliptic]) {
      from.rotate({ keep: true });
      await accepted(await ask(from));
      await accepted(await ask(from));
      expect(from.fetches.keySet).toBe(2);
    }
    const foreign = signingPair("ES256", rsa.key.kid);
    const claims = JSON.parse(Buffer.from(stage.person({ issuer: rsa }).mfaToken().split(".")[1], "base64url"));
    await refusedBearer(await ask(rsa, { token: rsa.sign(claims, { typ: "mfa+jwt" }, foreign) }));
    expect(rsa.fetches.keySet).toBe(2);
  });

  test("a key that was rotated out is refused once the newer set is known, and within the TTL everywhere", async () => {
    const from = issuer("retired");
    for (const isolate of [0, 1]) await accepted(await ask(from, { isolate }));
    const old = from.key;
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    from.rotate();
    await accepted(await ask(from));
    const byOldKey = () => {
      const claims = JSON.parse(Buffer.from(stage.person({ issuer: from }).mfaToken().split(".")[1], "base64url"));
      return from.sign(claims, { typ: "mfa+jwt" }, old);
    };
    await refusedBearer(await ask(from, { token: byOldKey() }));
    await stage.world.advance(601);
    await until("the other isolate has noticed", async () => (await ask(from, { isolate: 1, token: byOldKey() })).status === 401);
  });

  test("requests that meet a new kid during somebody else's refetch wait for it", async () => {
    const from = issuer("waiting");
    await accepted(await ask(from));
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    from.rotate({ keep: true });
    from.hold();
    const first = ask(from);
    await until("the refetch is under way", () => from.held === 1);
    const others = [ask(from), ask(from), ask(from)];
    from.release();
    for (const response of await Promise.all([first, ...others])) await accepted(response);
    expect(from.fetches.keySet).toBe(2);
  });

  test("a storm of unknown kids makes at most one refetch per isolate and cool-down", async () => {
    const from = issuer("storm");
    for (const isolate of [0, 1]) await accepted(await ask(from, { isolate }));
    const storm = async () => {
      const tokens = Array.from({ length: 50 }, (_, index) => unknownKid(from, index));
      const responses = await Promise.all(tokens.map((token, index) => ask(from, { token, isolate: index % 2 })));
      for (const response of responses) await refusedBearer(response);
    };
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    const before = from.fetches.keySet;
    await storm();
    const first = from.fetches.keySet - before;
    expect(first).toBeGreaterThanOrEqual(1);
    expect(first).toBeLessThanOrEqual(2);
    await storm();
    await stage.world.advance(COOL_DOWN_SECONDS - 10);
    await storm();
    expect(from.fetches.keySet - before).toBe(first);
    for (const isolate of [0, 1]) await accepted(await ask(from, { isolate }));
    await stage.world.advance(11);
    await storm();
    expect(from.fetches.keySet - before - first).toBeLessThanOrEqual(2);
    expect(from.fetches.keySet - before - first).toBeGreaterThanOrEqual(1);
  });

  test("a storm against one issuer does not keep another from refetching", async () => {
    const [stormed, from] = [issuer("storm"), issuer("bystander")];
    await accepted(await ask(from));
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await refusedBearer(await ask(stormed, { token: unknownKid(stormed) }));
    from.rotate({ keep: true });
    await accepted(await ask(from));
  });
});

describe("an issuer that is not there", () => {
  test("goes on being trusted by its last good set for a day, and no longer; back again, it is asked again", async () => {
    const from = issuer("down");
    await accepted(await ask(from));
    expect(from.fetches.keySet).toBe(1);
    await from.goDown();
    for (const after of [10 * 60 + 1, 5 * HOUR, 18 * HOUR]) {
      await stage.world.advance(after);
      await accepted(await ask(from));
    }
    await stage.world.advance(2 * HOUR);
    await refusedForWantOfAKey(await ask(from));
    await from.comeBack();
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await ask(from));
    expect(from.fetches.keySet).toBe(2);
  });

  test("whose refetch was begun by somebody who hangs up is asked to the end, and serves the next", async () => {
    const from = issuer("abandoned");
    from.hold();
    const person = stage.person({ issuer: from });
    const abandoned = await stage.world.connect("/mfa/associate", {
      method: "POST",
      headers: { authorization: `Bearer ${person.mfaToken()}`, "content-type": "application/json" },
    });
    abandoned.on("error", () => {}); // it is torn down below
    abandoned.end(JSON.stringify({ authenticator_types: ["otp"] }));
    await until("the refetch is under way", () => from.held === 1);
    abandoned.socket.resetAndDestroy();
    from.release();
    // Without the clock moving on: no cool-down stands in the way of the next.
    await until("the keys are there", async () => (await ask(from)).status === 200);
    expect(from.fetches.keySet).toBe(1);
  });

  test("that does not answer in time keeps nobody waiting for longer than that", async () => {
    const from = issuer("slow");
    from.hold();
    const asked = performance.now();
    await refusedForWantOfAKey(await ask(from));
    expect(performance.now() - asked).toBeLessThan(10_000);
    from.release();
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await ask(from));
  });

  test("that publishes garbage after a good set goes on being trusted by the good one", async () => {
    const from = issuer("soured");
    await accepted(await ask(from));
    from.instead = { body: "<html>" };
    await stage.world.advance(601);
    await accepted(await ask(from));
    await stage.world.advance(HOUR);
    await accepted(await ask(from));
  });
});

describe("how long a set is kept", () => {
  test.each(LIFETIMES)(
    "%s: by Cache-Control %s not asked for again after %i s, but after %i s",
    async (name, cacheControl, kept, over) => {
      const from = issuer(name);
      from.cacheControl = cacheControl;
      await accepted(await ask(from));
      await stage.world.advance(kept);
      await accepted(await ask(from));
      await stage.world.settle();
      expect(from.fetches.keySet).toBe(1);
      await stage.world.advance(over - kept);
      await accepted(await ask(from));
      await until("the set was asked for again", () => from.fetches.keySet === 2);
      await stage.world.settle();
      await accepted(await ask(from));
      expect(from.fetches.keySet).toBe(2);
    },
  );
});

describe("a key set is refused", () => {
  test.each(REFUSED)("(%s) %s, and asked for again after the cool-down", async (name, _, instead) => {
    const from = issuer(name);
    from.instead = instead(from);
    await refusedForWantOfAKey(await ask(from));
    from.instead = null;
    await stage.world.advance(COOL_DOWN_SECONDS + 1);
    await accepted(await ask(from));
  });

  test("key by key: one that cannot be read does not spoil the others", async () => {
    const from = issuer("partial");
    from.published = [
      { kty: "OKP" },
      {},
      { kty: "RSA", kid: "x", n: "!!", e: "AQAB" },
      { kty: "oct", kid: "y", k: "AAAA" },
      ...from.published,
    ];
    await accepted(await ask(from));
  });

  test("whose discovery document names another issuer", async () => {
    const from = issuer("pretender");
    from.metadata = { issuer: `${from.url}other` };
    await refusedForWantOfAKey(await ask(from));
    expect(from.fetches.keySet).toBe(0);
  });

  test("whose discovery document sends one elsewhere by plain http", async () => {
    const from = issuer("sent-away");
    from.metadata = { jwks_uri: "http://keys.example.com/keys.json" };
    const { result, fetches } = await stage.world.cost(() => ask(from));
    await refusedForWantOfAKey(result);
    expect(fetches.filter((url) => url.includes("keys.example.com"))).toEqual([]);
  });
});
