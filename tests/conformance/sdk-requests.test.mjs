/** Every SDK that cannot run here, by the requests that it sends and what it must find in the answers. */
import { beforeAll, describe, expect, test } from "vitest";
import { accepted, done, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";
import { breaches, faults } from "./breaches.mjs";
import { MULTI_FACTOR, signIn, useConformanceStage } from "./cast.mjs";
import { DECODERS } from "./decoders.mjs";
import { ORIGIN, recordings, registration, Replay } from "./replay.mjs";

const stage = useConformanceStage();

const LOGIN = { audience: API, scope: "openid read:things" };
const REMOVAL = { scope: "remove:authenticators" };

beforeAll(async () => {
  await stage.addClient({ origins: [ORIGIN] });
  // Origins are remembered for a minute.
  await stage.world.advance(61);
});

/** Somebody who uses an application of an SDK. */
class Application {
  static async of(name, authentication) {
    const application = new Application();
    const client = await stage.addClient(registration(authentication));
    const claims = { email_verified: true };
    const person = stage.person({ client, claims });
    person.claims.email = person.email;
    const sdk = new Replay(stage.world, recordings[name], client);
    return Object.assign(application, { name, person, sdk });
  }

  /** Sends a call and has its answer read as the SDK reads it. */
  async call(form, values, kind) {
    return this.read(await this.sdk.send(form, { ...LOGIN, ...values }), kind);
  }

  async read(response, kind) {
    const { answer, [kind]: schema } = DECODERS[this.name];
    expect(schema, `a decoder of ${kind}`).toBeDefined();
    const body = JSON.parse(await response.text());
    const { status, headers } = response;
    const readable = headers.get("access-control-allow-origin") === ORIGIN;
    // What is no success is read for its body alone, whatever its status.
    const whole = { status: status < 400 ? status : 200, type: headers.get("content-type"), readable };
    for (const [rule, value] of [
      [answer, whole],
      [schema, body],
    ]) {
      expect(faults(rule, value), JSON.stringify(value)).toEqual([]);
      expect(breaches(rule, value).filter(({ changed }) => faults(rule, changed).length === 0)).toEqual([]);
    }
    return body;
  }

  /** Signs in at another issuer, and is asked for a second factor: the demand. */
  async demand(kind = "required") {
    const parameters = { ...LOGIN, acr_values: MULTI_FACTOR, ...this.sdk.credentials() };
    const options = { headers: { origin: ORIGIN } };
    const response = await signIn(stage, this.person, parameters, { subject: this.person.claims, ...options });
    expect(response.status).toBe(403);
    return this.read(response, kind);
  }

  /** The mfa_token of the demand. */
  async signIn(kind) {
    return (await this.demand(kind)).mfa_token;
  }

  /** Adds an app and confirms it. */
  async addApp(form = this.sdk.forms("enroll otp")[0], verification = this.sdk.forms("verify otp")[0]) {
    const mfa_token = await this.signIn();
    const values = { mfa_token, phone_number: this.person.number };
    const enrollment = await this.call(form, values, "otp");
    const otp = totp(enrollment.secret, stage.world.now());
    const tokens = await this.call(verification, { mfa_token, otp }, "tokens");
    // To where the code that was used is no longer the present one.
    await stage.world.advance(STEP_SECONDS);
    return { ...enrollment, tokens };
  }

  /** Adds this person's number or address and confirms it. */
  async addAddress(channel, form = this.sdk.forms(`enroll ${channel}`)[0], verification = this.sdk.forms("verify oob")[0]) {
    const { person } = this;
    const mfa_token = await this.signIn();
    const to = channel === "email" ? person.email : person.number;
    const before = stage.webhook.messagesTo(to).length;
    const values = { mfa_token, phone_number: person.number, email: person.email };
    const enrollment = await this.call(form, values, "oob");
    expect(enrollment.oob_channel).toBe(channel);
    const binding_code = await stage.webhook.codeFor(to, { count: before + 1 });
    const oob = { mfa_token, oob_code: enrollment.oob_code, binding_code };
    return { enrollment, verified: await this.sdk.send(verification, { ...LOGIN, ...oob }) };
  }
}

/** Each of both, in as few pairs as there can be. */
function pairs(some, others) {
  const count = Math.max(some.length, others.length);
  return Array.from({ length: count }, (_, index) => [some[index % some.length], others[index % others.length]]);
}

const everySdk = Object.entries(recordings).flatMap(([name, { clients }]) => clients.map((client) => [name, client]));

test("each SDK has its requests and its decoder", () => {
  expect(Object.keys(recordings).sort()).toEqual(Object.keys(DECODERS).sort());
  expect(Object.keys(recordings)).toHaveLength(8);
});

test("a breach of each kind is seen", () => {
  const schema = {
    type: "object",
    required: ["name"],
    properties: {
      name: { type: "string", minLength: 1 },
      gone: false,
      kinds: { type: "array", items: { const: "a" } },
    },
  };
  const value = { name: "x", kinds: ["a"] };
  expect(faults(schema, value)).toEqual([]);
  const all = breaches(schema, value);
  expect(all.map(({ what }) => what.trim())).toEqual([
    "is null",
    "is no object",
    "has no name",
    "/name is null",
    "/name is no string",
    "/name is empty",
    "has gone",
    "/kinds is null",
    "/kinds is no array",
    "/kinds/0 is another",
  ]);
  for (const { what, changed } of all) expect(faults(schema, changed), what).not.toEqual([]);
});

describe.each(everySdk)("%s, registered for %s,", (name, authentication) => {
  const { requests } = recordings[name];

  test("adds an app and is let in by it", async () => {
    for (const [form, verification] of pairs(requests["enroll otp"], requests["verify otp"])) {
      const application = await Application.of(name, authentication);
      const { secret } = await application.addApp(form, verification);
      const mfa_token = await application.signIn();
      const otp = totp(secret, stage.world.now());
      await application.call(verification, { mfa_token, otp }, "tokens");
    }
  });

  test("has a code sent and is let in by it", async () => {
    const application = await Application.of(name, authentication);
    const { person } = application;
    const { verified } = await application.addAddress("sms");
    await application.read(verified, "tokens");
    const [{ id }] = await accepted(await person.list());
    const kind = DECODERS[name].requiredOfPhone ? "requiredOfPhone" : "required";
    for (const [form, verification] of pairs(requests.challenge, requests["verify oob"])) {
      const mfa_token = await application.signIn(kind);
      const before = stage.webhook.messagesTo(person.number).length;
      const values = { mfa_token, authenticator_id: id, challenge_type: "oob" };
      const { oob_code } = await application.call(form, values, "challenge");
      const binding_code = await stage.webhook.codeFor(person.number, { count: before + 1 });
      await application.call(verification, { mfa_token, oob_code, binding_code }, "tokens");
    }
  });
});

describe.each(Object.keys(recordings))("%s", (name) => {
  const { requests, clients } = recordings[name];
  const [authentication] = clients;
  const offers = (call) => Object.hasOwn(requests, call);

  for (const channel of ["sms", "voice", "email"].filter((each) => offers(`enroll ${each}`))) {
    test(`adds a number or address by ${channel}`, async () => {
      for (const [form, verification] of pairs(requests[`enroll ${channel}`], requests["verify oob"])) {
        const application = await Application.of(name, authentication);
        const { verified, enrollment } = await application.addAddress(channel, form, verification);
        // E-mail alone is none of the factors that were demanded: the login goes on.
        await application.read(verified, channel === "email" ? "required" : "tokens");
        const items = await accepted(await application.person.list());
        const own = items.find(({ id }) => id === enrollment.id);
        expect(own).toMatchObject({ active: true, oob_channel: channel });
      }
    });
  }

  test("is refused push in words that it can read", async () => {
    const application = await Application.of(name, authentication);
    const values = { mfa_token: await application.signIn() };
    for (const form of application.sdk.forms("enroll push")) {
      const body = await application.call(form, values, "error");
      expect(body).toEqual({ error: "invalid_request", error_description: "The auth0 factor is not enabled." });
    }
  });

  test("lists what there is, and finds by type what the login asks for", async () => {
    const application = await Application.of(name, authentication);
    const { person } = application;
    const { verified } = await application.addAddress("sms");
    await application.read(verified, "tokens");
    await stage.world.advance(2);
    await accepted(await person.associateOtp({ token: person.provenToken() }));
    const { mfa_token, mfa_requirements } = await application.demand();
    const asked = mfa_requirements.challenge.map(({ type }) => type);
    for (const form of application.sdk.forms("list")) {
      const items = await application.call(form, { mfa_token }, "list");
      expect(items.map(({ id }) => id.split("|")[0])).toEqual(["sms", "voice", "recovery-code", "totp"]);
      const usable = items.filter(({ active }) => active);
      expect(items.filter(({ type }) => asked.includes(type))).toEqual(usable);
    }
  });

  test("is told otp for an app where it may ask, and unsupported_challenge_type where it asks for oob", async () => {
    const application = await Application.of(name, authentication);
    const { id } = await application.addApp();
    const mfa_token = await application.signIn();
    for (const form of application.sdk.forms("challenge")) {
      const { challenge_type } = form.json ?? form.form;
      const values = { mfa_token, authenticator_id: id, challenge_type: "otp" };
      if (challenge_type === "oob") {
        const body = await application.call(form, values, "error");
        expect(body.error).toBe("unsupported_challenge_type");
      } else {
        expect(await application.call(form, values, "challengeOfApp")).toEqual({ challenge_type: "otp" });
      }
    }
  });

  test("gets in by a recovery code, and gets the next", async () => {
    const application = await Application.of(name, authentication);
    let {
      recovery_codes: [recovery_code],
    } = await application.addApp();
    for (const form of application.sdk.forms("verify recovery")) {
      const mfa_token = await application.signIn();
      const tokens = await application.call(form, { mfa_token, recovery_code }, "tokens");
      expect(tokens.recovery_code).not.toBe(recovery_code);
      recovery_code = tokens.recovery_code;
    }
    expect(recovery_code).toMatch(/^[A-Z0-9]{24}$/);
  });

  test("reads why it is refused, in the words that it compares", async () => {
    const application = await Application.of(name, authentication);
    const { sdk } = application;
    const nobody = {
      mfa_token: await application.signIn(),
      authenticator_id: "sms|dev_0000000000000000",
      challenge_type: "oob",
    };
    const said = async (call, values) => Object.values(await application.call(sdk.forms(call)[0], values, "error"));
    expect((await said("challenge", nobody))[0]).toBe("association_required");

    const { secret } = await application.addApp();
    const mfa_token = await application.signIn();
    expect(await said("enroll otp", { mfa_token })).toEqual(["access_denied", "User is already enrolled."]);
    const otp = wrongTotp(secret, stage.world.now());
    expect(await said("verify otp", { mfa_token, otp })).toEqual(["invalid_grant", "Invalid otp_code."]);
    expect(await said("verify otp", { mfa_token: "x", otp })).toEqual(["invalid_grant", "Malformed mfa_token"]);
    const recovery_code = "A".repeat(24);
    expect(await said("verify recovery", { mfa_token, recovery_code })).toEqual(["invalid_grant", "MFA Authorization rejected."]);
    expect((await said("list", { mfa_token: "x" }))[0]).toBe("invalid_grant");
    await stage.world.advance(601);
    expect(await said("verify otp", { mfa_token, otp })).toEqual(["expired_token", "mfa_token is expired"]);
  });

  if (offers("remove")) {
    test("removes one, with the id escaped", async () => {
      const application = await Application.of(name, authentication);
      const { person, sdk } = application;
      const { id } = await application.addApp();
      const authenticator_id_escaped = encodeURIComponent(id);
      const [form] = sdk.forms("remove");
      const access_token = person.provenToken(REMOVAL);
      await done(await sdk.send(form, { access_token, authenticator_id_escaped }));
      expect(await accepted(await person.list())).toEqual([]);
      const again = await sdk.send(form, { access_token: person.mfaToken(), authenticator_id_escaped });
      await refused(again, 401, "invalid_grant");
    });
  }
});
