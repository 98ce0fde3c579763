// What `npm run timing` asks: pairs of requests with one answer, of which one side hits something that the other does not.
import { signingPair } from "../../tests/support/jwt.mjs";
import { freshNumber, Person, random } from "../../tests/support/person.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../../tests/support/token-exchange.mjs";
import { totp, wrongTotp } from "../../tests/support/totp.mjs";

/**
 * @typedef {object} Pair
 * @property {string} name what the first side is, and what the second is
 * @property {() => Promise<unknown>} [before] what is put in order before each request: budgets, tries
 * @property {() => Promise<{ status: number, text: string, milliseconds: number }>} one
 * @property {() => Promise<{ status: number, text: string, milliseconds: number }>} other
 */

/**
 * @param {import("../../tests/support/stage.mjs").Stage} stage
 * @param {object} timed the world whose answers say how long they took
 * @returns {Promise<Pair[]>}
 */
export async function pairsOf(stage, timed) {
  const { world, webhook } = stage;
  /** Somebody on the stage, and the same person as one who measures. */
  const both = (options) => {
    const person = stage.person(options);
    const { issuer, client, sub, claims } = person;
    return { person, clock: Object.assign(new Person(timed, issuer, { client, sub, claims }), { number: person.number }) };
  };
  const replenish = () =>
    world.db.batch(
      [
        "DELETE FROM budgets",
        "DELETE FROM message_budgets",
        "UPDATE authenticators SET failures = 0",
        "UPDATE challenges SET attempts = 0",
        "UPDATE enrollments SET attempts = 0",
      ].map((sql) => world.db.prepare(sql)),
    );
  /** A character at `place` (from the end, if negative) is another one. */
  const altered = (text, place) => {
    const at = place < 0 ? text.length + place : place;
    return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
  };

  const [secretive, other] = [await stage.addClient({ authentication: "post" }), both()];
  const owner = both();
  const { secret, id, recoveryCode, otp: used } = await owner.person.enrollOtp();
  const phone = both();
  await phone.person.enrollSms();
  const received = await phone.person.receiveCode();
  const forger = signingPair("RS256", stage.issuer.key.kid);
  const forged = ({ person }) =>
    person.issuer.sign(JSON.parse(Buffer.from(person.mfaToken().split(".")[1], "base64url")), { typ: "mfa+jwt" }, forger);
  const stranger = () => both();
  const asSecretive = (secret, client_id = secretive.id) => {
    const { clock } = both({ client: secretive });
    return clock.challenge({ client_id, client_secret: secret });
  };
  const demand = await tokenExchange(world, owner.person, {
    subject_token: subjectTokenOf(owner.person, SUBJECT_AUDIENCE),
  });
  const { mfa_token: sealed } = await demand.json();
  const guess = (clock, otp) => clock.exchange("otp", { mfa_token: clock.mfaToken(), otp });
  const recover = (clock, recovery_code) => clock.exchange("recovery", { mfa_token: clock.mfaToken(), recovery_code });
  const bind = (binding_code) => phone.clock.exchange("oob", { ...received, binding_code });
  const wrongDigit = (code, place) => code.slice(0, place) + ((Number(code[place]) + 1) % 10) + code.slice(place + 1);
  const challenged = (clock, authenticator_id) => clock.challenge({ mfa_token: clock.mfaToken(), authenticator_id });
  const removed = (authenticator) =>
    other.clock.remove(authenticator, { token: other.clock.provenToken({ scope: "remove:authenticators" }) });
  await other.person.enrollOtp();
  const exchanged = (person) =>
    tokenExchange(timed, person, {
      subject_token: person.issuer.sign(
        JSON.parse(Buffer.from(subjectTokenOf(person, SUBJECT_AUDIENCE).split(".")[1], "base64url")),
        { typ: "JWT" },
        forger,
      ),
    });
  const text = (number) => async () => {
    const answer = await stranger().clock.associate({
      authenticator_types: ["oob"],
      oob_channels: ["sms"],
      phone_number: number,
    });
    // Ids and codes are random, and of one length.
    return { ...answer, text: Object.keys(JSON.parse(answer.text)).join() };
  };
  const rest = async () => {
    await world.db.prepare("DELETE FROM enrollments").run();
    await replenish();
    webhook.accepted.length = 0;
  };

  return [
    {
      name: "the same request twice: a token that is none (to see what chance does)",
      one: () => owner.clock.list({ token: "x" }),
      other: () => owner.clock.list({ token: "x" }),
    },
    {
      name: "forged login of a person with an app; of nobody",
      one: () => owner.clock.list({ token: forged(owner) }),
      other: () => owner.clock.list({ token: forged(stranger()) }),
    },
    {
      name: "forged subject token of a person with an app; of nobody",
      one: () => exchanged(owner.clock),
      other: () => exchanged(stranger().clock),
    },
    {
      name: "sealed mfa_token with another first byte; with another last byte",
      one: () => owner.clock.list({ token: altered(sealed, 12) }),
      other: () => owner.clock.list({ token: altered(sealed, -2) }),
    },
    {
      name: "client secret wrong at its beginning; at its end",
      one: () => asSecretive(altered(secretive.secret, 0)),
      other: () => asSecretive(altered(secretive.secret, -1)),
    },
    {
      name: "client with a wrong secret; unknown client",
      one: () => asSecretive(random(32)),
      other: () => asSecretive(random(32), `client_${random()}`),
    },
    {
      name: "one-time password that is wrong; that has been used",
      before: replenish,
      one: () => guess(owner.clock, wrongTotp(secret, world.now())),
      other: () => guess(owner.clock, used),
    },
    {
      name: "one-time password that is wrong in its first digit; in its last",
      before: replenish,
      one: () => guess(owner.clock, wrongDigit(totp(secret, world.now()), 0)),
      other: () => guess(owner.clock, wrongDigit(totp(secret, world.now()), 5)),
    },
    {
      name: "binding code that is wrong in its first digit; in its last",
      before: replenish,
      one: () => bind(wrongDigit(received.binding_code, 0)),
      other: () => bind(wrongDigit(received.binding_code, 5)),
    },
    {
      name: "oob_code of another login; of another person",
      before: replenish,
      one: () => phone.clock.exchange("oob", { ...received, mfa_token: phone.clock.mfaToken(), binding_code: "000000" }),
      other: () => other.clock.exchange("oob", { ...received, mfa_token: other.clock.mfaToken(), binding_code: "000000" }),
    },
    {
      name: "oob_code that was altered; that is noise",
      before: replenish,
      one: () => bindWith(phone.clock, altered(received.oob_code, -2)),
      other: () => bindWith(phone.clock, `csoob_${"A".repeat(received.oob_code.length - 6)}`),
    },
    {
      name: "recovery code that is wrong in its first character; in its last",
      before: replenish,
      one: () => recover(owner.clock, altered(recoveryCode, 0)),
      other: () => recover(owner.clock, altered(recoveryCode, -1)),
    },
    {
      name: "recovery code of a person who has one, wrong; of one who has none",
      before: replenish,
      one: () => recover(owner.clock, altered(recoveryCode, 0)),
      other: () => recover(stranger().clock, altered(recoveryCode, 0)),
    },
    {
      name: "challenge to another person's authenticator; to nobody's",
      before: replenish,
      one: () => challenged(other.clock, id),
      other: () => challenged(other.clock, altered(id, -1)),
    },
    {
      name: "removal of another person's authenticator; of nobody's",
      one: () => removed(id),
      other: () => removed(altered(id, -1)),
    },
    {
      name: "text message to a number that somebody has; that nobody has",
      before: rest,
      one: text(phone.person.number),
      other: () => text(freshNumber())(),
    },
  ];

  function bindWith(clock, oob_code) {
    return clock.exchange("oob", { mfa_token: clock.mfaToken(), oob_code, binding_code: "000000" });
  }
}
