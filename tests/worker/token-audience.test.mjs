/** What the tokens of an MFA grant are for, and what an access token may do in an mfa_token's place. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { API } from "../support/clients.mjs";
import { decode } from "../support/jwt.mjs";
import { useStage } from "../support/stage.mjs";
import { totp } from "../support/totp.mjs";
import { MFA_AUDIENCE } from "../support/worker.mjs";

const stage = useStage();

const scopes = (text) => (text ?? "").split(" ").filter(Boolean).sort();
const invalidOtp = (response) => refused(response, 403, "invalid_grant", "Invalid otp_code.");

describe("audience and scope", () => {
  const OTHER_API = "https://other-api.example.com";
  const audiences = [
    { audience: API, scopes: ["read:things", "write:things"] },
    { audience: OTHER_API, scopes: ["fly"] },
    { audience: MFA_AUDIENCE, scopes: ["enroll", "read:authenticators"] },
  ];

  async function granted(claims, registered = audiences) {
    const client = await stage.addClient({ audiences: registered });
    const person = stage.person({ client });
    const { tokens } = await person.enrollOtp({ token: person.mfaToken(claims) });
    const { aud, scope } = decode(tokens.access_token).claims;
    expect(scopes(scope)).toEqual(scopes(tokens.scope));
    return { aud, scope: scopes(scope), tokens };
  }

  test("are what the mfa_token asks for", async () => {
    expect(await granted({ audience: OTHER_API, scope: "fly" })).toMatchObject({ aud: OTHER_API, scope: ["fly"] });
  });

  test("are for the client's first audience when the mfa_token names none", async () => {
    expect(await granted({ scope: "read:things" })).toMatchObject({ aud: API, scope: ["read:things"] });
  });

  test("never hold a scope that the client did not register for that audience", async () => {
    const { scope } = await granted({ audience: OTHER_API, scope: "fly read:things admin" });
    expect(scope).toEqual(["fly"]);
  });

  test("never hold offline_access, and no refresh token comes", async () => {
    const { scope, tokens } = await granted({ scope: "openid offline_access read:things" });
    expect(scope).toEqual(["openid", "read:things"]);
    expect(tokens).not.toHaveProperty("refresh_token");
  });

  test("for the MFA audience live ten minutes", async () => {
    const { aud, scope, tokens } = await granted({ audience: MFA_AUDIENCE, scope: "enroll" });
    expect({ aud, scope, expires_in: tokens.expires_in }).toEqual({
      aud: MFA_AUDIENCE,
      scope: ["enroll"],
      expires_in: 600,
    });
  });

  describe("asked for once more in the exchange", () => {
    async function exchanged(claims, parameters) {
      const client = await stage.addClient({ audiences });
      const person = stage.person({ client });
      const mfa_token = person.mfaToken(claims);
      const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
      return person.exchange("otp", { mfa_token, otp: totp(secret, stage.world.now()), ...parameters });
    }

    test("may be narrower", async () => {
      const body = await accepted(await exchanged({ scope: "read:things write:things" }, { scope: "read:things" }));
      expect(body.scope).toBe("read:things");
    });

    test("are never wider than the login", async () => {
      const body = await accepted(await exchanged({ scope: "read:things" }, { scope: "read:things write:things openid" }));
      expect(body.scope).toBe("read:things");
      expect(body).not.toHaveProperty("id_token");
    });

    test("may name the audience again, and no other", async () => {
      await accepted(await exchanged({ audience: API }, { audience: API }));
      await refused(await exchanged({ audience: API }, { audience: OTHER_API }), 400, "invalid_target");
    });

    test("may choose the audience when the login chose none", async () => {
      const body = await accepted(await exchanged({ audience: undefined }, { audience: OTHER_API, scope: "fly" }));
      const { aud, scope } = decode(body.access_token).claims;
      expect({ aud, scope }).toEqual({ aud: OTHER_API, scope: "fly" });
    });
  });

  test.each([
    ["an audience the client did not register", { audience: "https://elsewhere.example.com" }, audiences],
    ["no audience, when the client registered none", {}, []],
  ])("are refused for %s, and the code is not used up", async (_, claims, registered) => {
    const client = await stage.addClient({ audiences: registered });
    const person = stage.person({ client });
    const mfa_token = person.mfaToken(claims);
    const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
    const otp = totp(secret, stage.world.now());
    await refused(await person.exchange("otp", { mfa_token, otp }), 400, "invalid_target");
    expect(await stage.world.rows("SELECT id FROM authenticators WHERE user_id = ?", `idp|${person.sub}`)).toEqual([]);
  });
});

describe("an access token of the MFA audience in its place", () => {
  test("confirms a pending enrollment, for its own audience and scope, for no longer than itself, without id_token", async () => {
    const person = stage.person();
    const token = person.accessToken({ scope: "openid enroll", exp: stage.world.now() + 200 });
    const { secret } = await accepted(await person.associateOtp({ token }));
    const body = await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) }));
    expect(body).not.toHaveProperty("id_token");
    expect(body.expires_in).toBeLessThanOrEqual(200);
    const { claims } = decode(body.access_token);
    expect(claims.exp).toBeLessThanOrEqual(decode(token).claims.exp);
    expect([claims.aud].flat()).toEqual([MFA_AUDIENCE]);
    expect(scopes(claims.scope)).toContain("enroll");
    for (const scope of scopes(claims.scope)) expect(["openid", "enroll"]).toContain(scope);
  });

  test("confirms a phone", async () => {
    const person = stage.person();
    const token = person.accessToken();
    const { oob_code } = await accepted(await person.associateSms({ token }));
    const binding_code = await stage.webhook.codeFor(person.number);
    await accepted(await person.exchange("oob", { mfa_token: token, oob_code, binding_code }));
  });

  test("does not without scope enroll", async () => {
    const person = stage.person();
    const { secret } = await accepted(await person.associateOtp());
    const parameters = {
      mfa_token: person.accessToken({ scope: "read:authenticators" }),
      otp: totp(secret, stage.world.now()),
    };
    const response = await person.exchange("otp", parameters);
    expect(response.status).toBe(403);
  });

  test("does not confirm somebody else's, nor another client's", async () => {
    const [person, other] = [stage.person(), stage.person()];
    const { secret } = await accepted(await person.associateOtp());
    const otp = totp(secret, stage.world.now());
    await invalidOtp(await other.exchange("otp", { mfa_token: other.accessToken(), otp }));
    const elsewhere = stage.person({ sub: person.sub, client: await stage.addClient() });
    await invalidOtp(await elsewhere.exchange("otp", { mfa_token: elsewhere.accessToken(), otp }));
  });

  test("does not let anybody in by a recovery code", async () => {
    const person = stage.person();
    const { recoveryCode } = await person.enrollOtp();
    await stage.world.advance(2);
    const parameters = { mfa_token: person.provenToken(), recovery_code: recoveryCode };
    await refused(await person.exchange("recovery", parameters), 403, "invalid_grant", "Malformed mfa_token");
    await accepted(await person.exchange("recovery", { ...parameters, mfa_token: person.mfaToken() }));
  });

  test("with proof of MFA confirms a further factor beside the active ones", async () => {
    const person = stage.person();
    await person.enrollOtp();
    await stage.world.advance(2);
    const token = person.provenToken();
    const { secret } = await accepted(await person.associateOtp({ token }));
    await accepted(await person.exchange("otp", { mfa_token: token, otp: totp(secret, stage.world.now()) }));
    const active = await stage.world.rows("SELECT id FROM authenticators WHERE user_id = ?", `idp|${person.sub}`);
    expect(active).toHaveLength(2);
  });
});
