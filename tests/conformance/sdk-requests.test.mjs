/**
 * The requests of SDKs that do not run here, in the shape in which each sends them, played in the order in which an
 * application would cause them; and what each decoder requires of the answers.
 */
import Ajv from "ajv/dist/2020.js";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { API } from "../support/clients.mjs";
import { useStage } from "../support/stage.mjs";
import { STEP_SECONDS, totp } from "../support/totp.mjs";
import { DECODERS } from "./decoders.mjs";

const folder = new URL("sdk-requests/", import.meta.url);
const SDKS = Object.fromEntries(
  readdirSync(folder)
    .sort()
    .map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(new URL(file, folder), "utf8"))]),
);
const stage = useStage();
const ajv = new Ajv({ strict: false });

/** A person with an application that is built with `sdk`. */
class Application {
  static async start(name) {
    const application = new Application();
    const { authentication, requests } = SDKS[name];
    const client = await stage.addClient({ authentication, origins: ["https://app.example.com"] });
    return Object.assign(application, { name, client, requests, person: stage.person({ client }), answers: {} });
  }

  /** The mfa_token of a new login. */
  login() {
    return this.person.mfaToken({ audience: API, scope: "openid read:things" });
  }

  /** Sends the SDK's request `what`, filled in, and decodes the answer as the SDK does. */
  async send(what, values, { decoder = undefined, status = 200 } = {}) {
    const all = {
      client_id: this.client.id,
      client_secret: this.client.secret,
      phone_number: this.person.number,
      email: this.person.email,
      audience: API,
      ...values,
      authenticator_id_encoded: values.authenticator_id && encodeURIComponent(values.authenticator_id),
    };
    const filled = JSON.parse(
      JSON.stringify(this.requests[what]).replaceAll(/\{(\w+)\}/g, (_, name) => {
        expect(all[name], `${this.name} ${what} needs ${name}`).toBeDefined();
        return JSON.stringify(all[name]).slice(1, -1);
      }),
    );
    const { method, path, headers, json, form } = filled;
    const body = json ? JSON.stringify(json) : form && String(new URLSearchParams(form));
    const type = form ? { "content-type": "application/x-www-form-urlencoded" } : {};
    const response = await stage.world.fetch(path, { method, headers: { ...headers, ...type }, body });
    const answer = await response.text();
    expect({ what, status: response.status, answer }).toMatchObject({ status });
    if (!decoder) return answer && JSON.parse(answer);
    const decoded = JSON.parse(answer);
    this.answers[decoder] = decoded;
    const valid = ajv.validate(DECODERS[this.name][decoder], decoded);
    expect(valid, `${this.name} decodes ${decoder}: ${ajv.errorsText()} in ${answer}`).toBe(true);
    return decoded;
  }
}

describe.each(Object.keys(SDKS))("%s", (name) => {
  test("adds an app, confirms it, lists it, is let in by it and by the recovery code", async () => {
    const app = await Application.start(name);
    const token = app.login();
    const { secret, recovery_codes } = await app.send("enrollOtp", { token }, { decoder: "otp" });
    const otp = (shift = 0) => totp(secret, stage.world.now(), shift);
    await app.send("verifyOtp", { token, otp: otp(-1) }, { decoder: "tokens" });
    const items = await app.send("list", { token: app.login() }, { decoder: "list" });
    expect(items.map(({ type, active }) => `${type} ${active}`)).toEqual(["otp true", "recovery-code true"]);
    await app.send("verifyOtp", { token: app.login(), otp: otp() }, { decoder: "tokens" });
    const recovered = await app.send("verifyRecovery", { token: app.login(), recovery_code: recovery_codes[0] });
    expect(recovered.recovery_code).toMatch(/^[A-Z0-9]{24}$/);
    await stage.world.advance(STEP_SECONDS);
  });

  test("adds a phone, is challenged by it, and removes it where the SDK can", async () => {
    const app = await Application.start(name);
    const token = app.login();
    const { oob_code } = await app.send("enrollPhone", { token }, { decoder: "oob" });
    const binding_code = await stage.webhook.codeFor(app.person.number);
    await app.send("verifyOob", { token, oob_code, binding_code }, { decoder: "tokens" });
    const login = app.login();
    const [phone] = await app.send("list", { token: login }, { decoder: "list" });
    const challenged = await app.send("challenge", { token: login, authenticator_id: phone.id }, { decoder: "challenge" });
    const next = await stage.webhook.codeFor(app.person.number, { count: 2 });
    await app.send("verifyOob", { token: login, oob_code: challenged.oob_code, binding_code: next }, { decoder: "tokens" });
    if (!app.requests.remove) return;
    await stage.world.advance(1);
    const proven = app.person.provenToken({ scope: "remove:authenticators" });
    await app.send("remove", { token: proven, authenticator_id: phone.id }, { status: 204 });
    expect(await app.send("list", { token: app.login() }, { decoder: "list" })).toEqual([]);
  });

  test("adds an address", async () => {
    const app = await Application.start(name);
    const token = app.login();
    const { oob_code } = await app.send("enrollEmail", { token }, { decoder: "oob" });
    const binding_code = await stage.webhook.codeFor(app.person.email);
    await app.send("verifyOob", { token, oob_code, binding_code }, { decoder: "tokens" });
  });

  test("its decoders are held to what they require: each member that is taken away is missed", async () => {
    const app = await Application.start(name);
    const token = app.login();
    await app.send("enrollOtp", { token }, { decoder: "otp" });
    const { oob_code } = await app.send("enrollPhone", { token }, { decoder: "oob" });
    const binding_code = await stage.webhook.codeFor(app.person.number);
    await app.send("verifyOob", { token, oob_code, binding_code }, { decoder: "tokens" });
    const login = app.login();
    const [phone] = await app.send("list", { token: login }, { decoder: "list" });
    await app.send("challenge", { token: login, authenticator_id: phone.id }, { decoder: "challenge" });
    for (const [decoder, schema] of Object.entries(DECODERS[name])) {
      const answer = app.answers[decoder];
      const [target, required] = Array.isArray(answer) ? [answer[0], schema.items.required] : [answer, schema.required];
      expect(required.length).toBeGreaterThan(0);
      for (const member of required) {
        const value = target[member];
        for (const broken of [undefined, null]) {
          if (broken === undefined) delete target[member];
          else target[member] = broken;
          expect(ajv.validate(schema, answer), `${decoder} with ${member} ${broken}`).toBe(false);
        }
        target[member] = value;
      }
      expect(ajv.validate(schema, answer)).toBe(true);
    }
  });
});

test("an older Android app challenges without a type, and by both", async () => {
  const app = await Application.start("android");
  const token = app.login();
  const { oob_code } = await app.send("enrollPhone", { token });
  const binding_code = await stage.webhook.codeFor(app.person.number);
  await app.send("verifyOob", { token, oob_code, binding_code });
  for (const challenge_type of [undefined, "oob otp"]) {
    app.requests.challenge = structuredClone(SDKS.android.requests.challenge);
    app.requests.challenge.json.challenge_type = challenge_type;
    delete app.requests.challenge.json.authenticator_id;
    await app.send("challenge", { token: app.login() }, { decoder: "challenge" });
  }
});
