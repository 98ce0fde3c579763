/** The published SDK against the built Worker. Only its transport is redirected: what it sends and reads is its own. */
import { AuthClient } from "@auth0/auth0-auth-js";
import { describe, expect, test } from "vitest";
import { API } from "../support/clients.mjs";
import { useStage } from "../support/stage.mjs";
import { totp, wrongTotp } from "../support/totp.mjs";
import { PUBLIC_URL } from "../support/worker.mjs";

const stage = useStage();

/** The SDK as an application sets it up, for somebody new. */
function application(client, person = stage.person({ client })) {
  const customFetch = async (input, init) => {
    const request = new Request(input, init);
    const body = ["GET", "HEAD"].includes(request.method) ? undefined : await request.text();
    const response = await stage.world.fetch(request.url, { method: request.method, headers: request.headers, body });
    return new Response(await response.arrayBuffer(), { status: response.status, headers: [...response.headers] });
  };
  const options = { domain: new URL(PUBLIC_URL).host, clientId: client.id, customFetch };
  return { person, sdk: new AuthClient(client.secret ? { ...options, clientSecret: client.secret } : options) };
}

describe.each(["none", "post", "basic"])("an application whose client is registered for %s", (authentication) => {
  test("enrolls an app by otp, confirms it, and is let in by the next code", async () => {
    const client = await stage.addClient({ authentication });
    const { sdk, person } = application(client);
    const mfaToken = person.mfaToken({ audience: API, scope: "openid read:things" });
    const enrolled = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
    expect(enrolled).toMatchObject({ authenticatorType: "otp", id: expect.stringMatching(/^totp\|dev_/) });
    expect(enrolled.barcodeUri).toContain(enrolled.secret);
    expect(enrolled.recoveryCodes).toHaveLength(1);

    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "otp", otp: totp(enrolled.secret, stage.world.now()) });
    expect(tokens.accessToken).toBeTruthy();
    expect(tokens.idToken).toBeTruthy();
    expect(tokens.claims.sub).toBe(`idp|${person.sub}`);

    await stage.world.advance(31);
    const again = person.mfaToken();
    expect(
      await sdk.mfa.verify({ mfaToken: again, factorType: "otp", otp: totp(enrolled.secret, stage.world.now()) }),
    ).toHaveProperty("accessToken");
  });

  test("enrolls a phone by sms and confirms it with the code that was sent", async () => {
    const client = await stage.addClient({ authentication });
    const { sdk, person } = application(client);
    const mfaToken = person.mfaToken({ scope: "openid" });
    const options = { mfaToken, authenticatorTypes: ["oob"], oobChannels: ["sms"], phoneNumber: person.number };
    const enrolled = await sdk.mfa.enrollAuthenticator(options);
    expect(enrolled).toMatchObject({ authenticatorType: "oob", oobChannel: "sms", bindingMethod: "prompt" });
    expect(enrolled.recoveryCodes).toHaveLength(1);

    const bindingCode = await stage.webhook.codeFor(person.number);
    const tokens = await sdk.mfa.verify({ mfaToken, factorType: "oob", oobCode: enrolled.oobCode, bindingCode });
    expect(tokens.accessToken).toBeTruthy();
    expect(tokens.idToken).toBeTruthy();
  });
});

test("a recovery code lets one in and brings the next", async () => {
  const { sdk, person } = application(stage.client);
  const { recoveryCode } = await person.enrollOtp();
  const tokens = await sdk.mfa.verify({ mfaToken: person.mfaToken(), factorType: "recovery-code", recoveryCode });
  expect(tokens.recoveryCode).toMatch(/^[A-Z0-9]{24}$/);
  expect(tokens.recoveryCode).not.toBe(recoveryCode);
});

describe("what goes wrong is told in the words that applications compare", () => {
  test("a wrong code", async () => {
    const { sdk, person } = application(stage.client);
    const mfaToken = person.mfaToken();
    const { secret } = await sdk.mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ["otp"] });
    const failure = sdk.mfa.verify({ mfaToken, factorType: "otp", otp: wrongTotp(secret, stage.world.now()) });
    await expect(failure).rejects.toMatchObject({
      cause: { error: "invalid_grant", error_description: "Invalid otp_code." },
    });
  });

  test("somebody who is enrolled already", async () => {
    const { sdk, person } = application(stage.client);
    await person.enrollOtp();
    const failure = sdk.mfa.enrollAuthenticator({ mfaToken: person.mfaToken(), authenticatorTypes: ["otp"] });
    await expect(failure).rejects.toMatchObject({
      cause: { error: "access_denied", error_description: "User is already enrolled." },
    });
  });

  test("an mfa_token that is none", async () => {
    const { sdk } = application(stage.client);
    const failure = sdk.mfa.enrollAuthenticator({ mfaToken: "nonsense", authenticatorTypes: ["otp"] });
    await expect(failure).rejects.toMatchObject({ cause: { error: "invalid_grant" } });
  });
});
