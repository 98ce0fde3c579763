/** A person at a trusted issuer who uses a client: holds tokens, adds authenticators and proves a second factor. */
import { randomBytes, randomInt } from "node:crypto";
import { accepted } from "./answers.mjs";
import { totp } from "./totp.mjs";
import { MFA_AUDIENCE } from "./worker.mjs";

export const GRANT = {
  otp: "http://auth0.com/oauth/grant-type/mfa-otp",
  oob: "http://auth0.com/oauth/grant-type/mfa-oob",
  recovery: "http://auth0.com/oauth/grant-type/mfa-recovery-code",
};

export const random = (bytes = 8) => randomBytes(bytes).toString("hex");

const digits = (number) => String(number).padStart(4, "0");
let range = randomInt(10 ** 4);

/** A phone number nobody else in the run has, nor one of its range: ten messages without their codes fill a range's hour. */
export function freshNumber() {
  range = (range + 1) % 10 ** 4;
  return `+49151${digits(range)}${digits(randomInt(10 ** 4))}`;
}

export class Person {
  /**
   * @param {import("./worker.mjs").World} world
   * @param {import("./issuer.mjs").Issuer} issuer
   * @param {{ client?: { id: string, secret?: string }, sub?: string, claims?: object, webhook?: object, isolate?: number }} [options]
   */
  constructor(world, issuer, { client, sub = `user-${random()}`, claims = {}, webhook } = {}) {
    Object.assign(this, { world, issuer, client, sub, claims, webhook });
    this.number = freshNumber();
    this.email = `${sub}@mail.example.com`;
  }

  #claims(claims) {
    const now = this.world.now();
    const all = {
      iss: this.issuer.url,
      sub: this.sub,
      aud: MFA_AUDIENCE,
      iat: now,
      exp: now + 300,
      jti: random(),
      azp: this.client?.id,
      ...this.claims,
      ...claims,
    };
    return JSON.parse(JSON.stringify(all));
  }

  /** An mfa_token of the issuer: the first factor was accepted. A claim that is undefined is left out. */
  mfaToken(claims = {}, header = {}) {
    return this.issuer.sign(this.#claims({ amr: ["pwd"], ...claims }), { typ: "mfa+jwt", ...header });
  }

  /** An access token of the issuer for the MFA audience. */
  accessToken(claims = {}, header = {}) {
    return this.issuer.sign(this.#claims({ scope: "enroll", ...claims }), { typ: "at+jwt", ...header });
  }

  /** An access token of the issuer that proves a second factor. */
  provenToken(claims = {}) {
    return this.accessToken({ amr: ["pwd", "mfa"], ...claims });
  }

  associate(body, { token = this.mfaToken(), headers, ...init } = {}) {
    return this.world.post("/mfa/associate", body, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...init,
    });
  }

  associateOtp(options) {
    return this.associate({ authenticator_types: ["otp"] }, options);
  }

  associateSms(options) {
    return this.associate({ authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: this.number }, options);
  }

  associateEmail(options) {
    return this.associate({ authenticator_types: ["oob"], oob_channels: ["email"], email: this.email }, options);
  }

  /** `POST /mfa/challenge` as this person's client. A parameter that is undefined is left out. */
  challenge(parameters = {}, options) {
    const mfa_token = Object.hasOwn(parameters, "mfa_token") ? parameters.mfa_token : this.mfaToken();
    return this.#post("/mfa/challenge", { ...parameters, mfa_token }, { form: false, ...options });
  }

  /** `POST /oauth/token` as this person's client. A parameter that is undefined is left out. */
  exchange(grant, parameters, options) {
    return this.#post("/oauth/token", { grant_type: GRANT[grant] ?? grant, ...parameters }, { form: true, ...options });
  }

  #post(path, parameters, { form, headers, ...init }) {
    const all = { client_id: this.client?.id, client_secret: this.client?.secret, ...parameters };
    const known = Object.entries(all).filter(([, value]) => value !== undefined);
    const body = form ? String(new URLSearchParams(known)) : JSON.stringify(Object.fromEntries(known));
    const type = form ? "application/x-www-form-urlencoded" : "application/json";
    return this.world.fetch(path, { method: "POST", body, headers: { "content-type": type, ...headers }, ...init });
  }

  list({ token = this.mfaToken(), headers, ...init } = {}) {
    const all = { authorization: `Bearer ${token}`, ...headers };
    return this.world.fetch("/mfa/authenticators", { headers: all, ...init });
  }

  /** `DELETE /mfa/authenticators/{id}`, with proof of a second factor unless another token is given. */
  remove(id, { token = this.provenToken({ scope: "remove:authenticators" }), headers, ...init } = {}) {
    const all = { authorization: `Bearer ${token}`, ...headers };
    return this.world.fetch(`/mfa/authenticators/${id}`, { method: "DELETE", headers: all, ...init });
  }

  /** Adds an authenticator app and confirms it. Leaves the clock where the code it used is no longer needed. */
  async enrollOtp({ token } = {}) {
    const mfaToken = token ?? this.mfaToken();
    const enrollment = await accepted(await this.associateOtp({ token: mfaToken }));
    const otp = totp(enrollment.secret, this.world.now());
    const tokens = await accepted(await this.exchange("otp", { mfa_token: mfaToken, otp }));
    return {
      id: enrollment.id,
      secret: enrollment.secret,
      recoveryCode: enrollment.recovery_codes?.[0],
      enrollment,
      tokens,
      otp,
    };
  }

  /** Adds a phone by SMS and confirms it with the code that the webhook received. */
  enrollSms(options) {
    return this.enrollOob("sms", options);
  }

  /** Adds this person's number or address by a channel and confirms it with the code that the webhook received. */
  async enrollOob(channel, { token } = {}) {
    const mfaToken = token ?? this.mfaToken();
    const [name, to] = channel === "email" ? ["email", this.email] : ["phone_number", this.number];
    const before = this.webhook.messagesTo(to).length;
    const body = { authenticator_types: ["oob"], oob_channels: [channel], [name]: to };
    const enrollment = await accepted(await this.associate(body, { token: mfaToken }));
    const bindingCode = await this.webhook.codeFor(to, { count: before + 1 });
    const tokens = await accepted(
      await this.exchange("oob", { mfa_token: mfaToken, oob_code: enrollment.oob_code, binding_code: bindingCode }),
    );
    return { id: enrollment.id, recoveryCode: enrollment.recovery_codes?.[0], enrollment, tokens, bindingCode };
  }

  /** Has a code sent to an active phone or, with `to`, elsewhere. Returns what the exchange needs for it. */
  async receiveCode({ to = this.number, mfa_token = this.mfaToken(), ...parameters } = {}, options) {
    const before = this.webhook.messagesTo(to).length;
    const { oob_code } = await accepted(await this.challenge({ challenge_type: "oob", mfa_token, ...parameters }, options));
    const binding_code = await this.webhook.codeFor(to, { count: before + 1 });
    return { mfa_token, oob_code, binding_code };
  }
}
