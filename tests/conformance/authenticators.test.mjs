/** The list and the removal of authenticators as the contract has them. */
import { describe, expect, test } from "vitest";
import { accepted, done, refused, refusedBearer } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";
import { beginApp } from "./cast.mjs";

const stage = useStage();
const ID = /^(totp|sms|voice|email|recovery-code)\|dev_[A-Za-z0-9]{16}$/;
const remove = { scope: "remove:authenticators" };

/** Somebody with an app, a phone, an address and a recovery code, and a pending app besides. */
async function withEverything() {
  const person = stage.person();
  const app = await person.enrollOtp();
  await stage.world.advance(1);
  const phone = await person.enrollOob("sms", { token: person.provenToken() });
  await stage.world.advance(1);
  const mail = await person.enrollOob("email", { token: person.provenToken() });
  await stage.world.advance(1);
  const pending = await accepted(await person.associateOtp({ token: person.provenToken() }));
  return { person, app, phone, mail, pending, items: await accepted(await person.list()) };
}

describe("the list", () => {
  test("is an array, empty where there is nothing", async () => {
    expect(await accepted(await stage.person().list())).toEqual([]);
  });

  test("takes an mfa_token, and an access token with read:authenticators", async () => {
    const person = stage.person();
    await accepted(await person.list());
    await accepted(await person.list({ token: person.accessToken({ scope: "read:authenticators" }) }));
    const text = "Insufficient scope, expected any of: read:authenticators";
    await refused(await person.list({ token: person.accessToken() }), 403, "insufficient_scope", text);
  });

  test("a content type that comes with GET does not matter", async () => {
    const person = stage.person();
    await accepted(await person.list({ headers: { "content-type": "application/json" } }));
  });

  test("items have id, authenticator_type, active and type, in their vocabulary", async () => {
    const { items } = await withEverything();
    for (const item of items) {
      expect(item.id).toMatch(ID);
      expect(["otp", "oob", "recovery-code"]).toContain(item.authenticator_type);
      expect(typeof item.active).toBe("boolean");
      expect(["otp", "phone", "email", "recovery-code"]).toContain(item.type);
      expect(Object.values(item)).not.toContain(null);
    }
  });

  test("oob_channel stands at oob items alone, and there is no oob_channels", async () => {
    const { items } = await withEverything();
    for (const item of items) {
      expect(Object.hasOwn(item, "oob_channel")).toBe(item.authenticator_type === "oob");
      expect(item).not.toHaveProperty("oob_channels");
      for (const never of ["phone_number", "created_at", "last_auth"]) expect(item).not.toHaveProperty(never);
    }
  });

  test("names are masked: all but the last four digits, and most of an address; apps and recovery codes have none", async () => {
    const { person, items } = await withEverything();
    const name = (kind) => items.find(({ id }) => id.startsWith(kind)).name;
    expect(name("sms")).toBe(`${"X".repeat(person.number.length - 5)}${person.number.slice(-4)}`);
    const [local, domain] = person.email.split("@");
    expect(name("email")).toMatch(/^[^@*]{1,7}\*+@[^@*]{1,4}\*+$/);
    expect(local.startsWith(name("email").split("*")[0])).toBe(true);
    expect(domain.startsWith(name("email").split("@")[1].split("*")[0])).toBe(true);
    expect(name("totp")).toBeUndefined();
    expect(name("recovery-code")).toBeUndefined();
  });

  test("the order is that of creation, a recovery code behind what it came with", async () => {
    const { items } = await withEverything();
    expect(items.map(({ id }) => id.split("|")[0])).toEqual(["totp", "recovery-code", "sms", "voice", "email", "totp"]);
  });

  test("pending ones are listed with active false", async () => {
    const { items, pending } = await withEverything();
    expect(items.find(({ id }) => id === pending.id).active).toBe(false);
    expect(items.filter(({ active }) => active)).toHaveLength(5);
  });

  test("sms and voice of one number are twins with one suffix", async () => {
    const { items } = await withEverything();
    const [sms, voice] = ["sms", "voice"].map((kind) => items.find(({ id }) => id.startsWith(kind)).id);
    expect(voice).toBe(sms.replace("sms", "voice"));
  });

  test("an invalid bearer is 401 invalid_grant", async () => {
    await refusedBearer(await stage.person().list({ token: "x" }));
  });
});

describe("the removal", () => {
  test.each(["|", "%7C"])("is 204 without a body, with %s in the path", async (separator) => {
    const { person, app } = await withEverything();
    await done(await person.remove(app.id.replace("|", separator), { token: person.provenToken(remove) }));
    expect((await accepted(await person.list())).some(({ id }) => id === app.id)).toBe(false);
  });

  test("a content type without a body does not matter", async () => {
    const { person, app } = await withEverything();
    const headers = { "content-type": "application/json" };
    await done(await person.remove(app.id, { token: person.provenToken(remove), headers }));
  });

  test("of one twin is that of the other", async () => {
    const { person, phone } = await withEverything();
    await done(await person.remove(phone.id.replace("sms", "voice"), { token: person.provenToken(remove) }));
    expect((await accepted(await person.list())).some(({ type }) => type === "phone")).toBe(false);
  });

  test("an mfa_token is refused in the words of an invalid bearer", async () => {
    const { person, app } = await withEverything();
    await refusedBearer(await person.remove(app.id, { token: person.mfaToken() }));
  });

  test("without remove:authenticators it is 403 insufficient_scope", async () => {
    const { person, app } = await withEverything();
    const text = "Insufficient scope, expected any of: remove:authenticators";
    await refused(await person.remove(app.id, { token: person.provenToken() }), 403, "insufficient_scope", text);
  });

  test("of an id that is unknown or somebody else's is 404 not_found", async () => {
    const { app } = await withEverything();
    const other = stage.person();
    for (const id of [app.id, "totp|dev_0000000000000000", "nonsense"]) {
      const response = await other.remove(id, { token: other.provenToken(remove) });
      await refused(response, 404, "not_found", "The user has no such authenticator.");
    }
  });

  test("of a recovery code is 400 invalid_request", async () => {
    const { person, items } = await withEverything();
    const { id } = items.find(({ type }) => type === "recovery-code");
    const text = "A recovery code is not removed: it is replaced when it is used.";
    await refused(await person.remove(id, { token: person.provenToken(remove) }), 400, "invalid_request", text);
  });

  test("of the last authenticator leaves the person as if never enrolled", async () => {
    const person = stage.person();
    const { id } = await person.enrollOtp();
    await stage.world.advance(1);
    await done(await person.remove(id, { token: person.provenToken(remove) }));
    expect(await accepted(await person.list())).toEqual([]);
    expect(await accepted(await person.associateOtp())).toHaveProperty("recovery_codes");
  });
});

test("each item has these members and no other", async () => {
  const { items } = await withEverything();
  const known = {
    sms: ["active", "authenticator_type", "id", "name", "oob_channel", "type"],
    voice: ["active", "authenticator_type", "id", "name", "oob_channel", "type"],
    "recovery-code": ["active", "authenticator_type", "id", "type"],
    totp: ["active", "authenticator_type", "id", "type"],
    email: ["active", "authenticator_type", "id", "name", "oob_channel", "type"],
  };
  const found = Object.fromEntries(items.map((item) => [item.id.split("|")[0], Object.keys(item).sort()]));
  expect(found).toEqual(known);
});

test("a number is masked as one X a digit, the last four shown, no plus", async () => {
  const person = stage.person();
  person.number = "+4915123459167";
  await person.enrollSms();
  const [phone] = await accepted(await person.list());
  expect(phone.name).toBe("XXXXXXXXX9167");
});

test("an address is masked: at most four characters on each side are shown", async () => {
  const person = stage.person();
  person.email = "personal@example.org";
  const { id } = await person.enrollOob("email");
  const items = await accepted(await person.list());
  expect(items.find((item) => item.id === id).name).toBe("pers****@exam*******");
});

test("a phone is two items with one suffix, the channel it was added by first", async () => {
  const person = stage.person();
  await person.enrollOob("voice");
  const [first, second] = await accepted(await person.list());
  expect([first, second].map(({ id }) => id.split("|")[0])).toEqual(["voice", "sms"]);
  expect(second.id.split("|")[1]).toBe(first.id.split("|")[1]);
});

test("the recovery code becomes active with the first confirmation", async () => {
  const { person, parameters } = await beginApp(stage);
  const recovery = async () => (await accepted(await person.list())).find(({ type }) => type === "recovery-code");
  expect((await recovery()).active).toBe(false);
  await accepted(await person.exchange("otp", parameters));
  expect((await recovery()).active).toBe(true);
});

test("the list for an mfa_token past its time is 401 expired_token", async () => {
  const person = stage.person();
  const now = stage.world.now();
  const token = person.mfaToken({ iat: now - 600, exp: now - 120 });
  await refused(await person.list({ token }), 401, "expired_token", "mfa_token is expired");
});

test("DELETE while a factor is active wants proof of MFA, scope alone is not enough", async () => {
  const person = stage.person();
  const { id } = await person.enrollOtp();
  await stage.world.advance(2);
  const response = await person.remove(id, { token: person.accessToken({ scope: "remove:authenticators" }) });
  await refused(response, 403, "access_denied", "Use a second factor first: this needs a token that proves one.");
});

test("a verified e-mail is no authenticator by itself", async () => {
  const person = stage.person({ claims: { email: "ann@example.com", email_verified: true } });
  expect(await accepted(await person.list())).toEqual([]);
  await person.enrollOtp();
  const items = await accepted(await person.list());
  expect(items.map(({ type }) => type)).toEqual(["otp", "recovery-code"]);
});
