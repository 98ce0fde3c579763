/** Each kind of token at each door: it opens those that are its own, and no other. */
import { beforeAll, expect, test } from "vitest";
import { accepted, read } from "../support/answers.mjs";
import { API, API_SCOPES, addClient } from "../support/clients.mjs";
import { ProofKey } from "../support/dpop.mjs";
import { decode } from "../support/jwt.mjs";
import { Stage } from "../support/stage.mjs";
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../support/token-exchange.mjs";
import { MFA_AUDIENCE, startWorkers } from "../support/worker.mjs";
import { ASSERTION, ASSOCIATE, CHALLENGE, DOORS, EXCHANGE, GRANT, LIST, REMOVE, useDoors } from "./doors.mjs";

const MFA_SCOPES = ["enroll", "read:authenticators", "remove:authenticators"];
const MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
const LOGIN = [ASSOCIATE, LIST, CHALLENGE, GRANT];
const ACCESS = [ASSOCIATE, LIST, REMOVE, GRANT];

const stage = useDoors();

/** What opens the doors in these tests: anything that a person, a client or an eavesdropper may hold. */
const KINDS = {
  "an issuer's mfa_token, by its type": { doors: LOGIN, of: ({ person }) => person.mfaToken() },
  "an issuer's mfa_token, by its claim": {
    doors: LOGIN,
    of: ({ person }) => person.mfaToken({ token_use: "mfa" }, { typ: "JWT" }),
  },
  "an issuer's access token for the MFA API": {
    doors: ACCESS,
    of: ({ person }) => person.accessToken({ scope: MFA_SCOPES.join(" ") }),
  },
  "an issuer's access token for its own API": {
    doors: [EXCHANGE],
    of: ({ person }) => subjectTokenOf(person, SUBJECT_AUDIENCE),
  },
  "an issuer's id_token for the MFA audience": {
    doors: [],
    of: ({ person }) => person.accessToken({ token_use: "id" }, { typ: "JWT" }),
  },
  "an issuer's logout token": {
    doors: [],
    of: ({ person }) => person.accessToken({}, { typ: "logout+jwt" }),
  },
  "a token that says both mfa and access": {
    doors: [],
    of: ({ person }) => person.accessToken({ token_use: "mfa" }, { typ: "at+jwt" }),
  },
  "an own mfa_token": { doors: LOGIN, of: ({ own }) => own.mfa_token },
  "an own access token for the MFA API": { doors: ACCESS, of: ({ own }) => own.mfa },
  "an own access token for another API": { doors: [], of: ({ own }) => own.api },
  "an own id_token": { doors: [], of: ({ own }) => own.id_token },
  "a client's assertion": { doors: [ASSERTION], of: ({ assertion }) => assertion.sign() },
  "a DPoP proof": { doors: [], of: ({ proof }) => proof },
  "an oob_code": { doors: [], of: ({ oob_code }) => oob_code },
  "an oob_code called an mfa_token": { doors: [], of: ({ oob_code }) => oob_code.replace(/^csoob_/, "csmfa_") },
  "an own mfa_token called an oob_code": { doors: [], of: ({ own }) => own.mfa_token.replace(/^csmfa_/, "csoob_") },
  "an own mfa_token without its first letters": { doors: [], of: ({ own }) => own.mfa_token.replace(/^csmfa_/, "") },
  "an own mfa_token with one bit changed": {
    doors: [],
    of: ({ own: { mfa_token } }) => mfa_token.replace(/.$/, (last) => (last === "A" ? "Q" : "A")),
  },
  "an own mfa_token cut short": { doors: [], of: ({ own }) => own.mfa_token.slice(0, -8) },
  "a recovery code": { doors: [], of: ({ recoveryCode }) => recoveryCode },
  "the id of the client": { doors: [], of: ({ person }) => person.client.id },
};

let held;
beforeAll(async () => {
  held = await heldIn(stage);
});

/** Everything that somebody may hold of a deployment. */
async function heldIn(stage) {
  const audiences = [
    { audience: API, scopes: API_SCOPES },
    { audience: MFA_AUDIENCE, scopes: MFA_SCOPES },
  ];
  const client = await stage.addClient({ audiences });
  const person = stage.person({ client });
  const exchange = (parameters) =>
    tokenExchange(stage.world, person, { subject_token: subjectTokenOf(person, SUBJECT_AUDIENCE), ...parameters });
  const { access_token: api, id_token } = await accepted(await exchange({ audience: API, scope: "openid read:things" }));
  const { access_token: mfa } = await accepted(await exchange({ audience: MFA_AUDIENCE, scope: MFA_SCOPES.join(" ") }));
  const { mfa_token } = await read(await exchange({ acr_values: MULTI_FACTOR }));
  const { oob_code, recovery_codes } = await accepted(await person.associateSms());
  const proof = await (await ProofKey.generate()).proof("POST", "/oauth/token", { nonce: "x" });
  const assertion = await ASSERTION.guest(stage);
  const own = { api, id_token, mfa, mfa_token };
  return { person, own, oob_code, recoveryCode: recovery_codes[0], proof, assertion };
}

test.each(Object.keys(KINDS))("%s opens its own doors and no other", async (name) => {
  const { doors, of } = KINDS[name];
  const token = of(held);
  expect(token).toEqual(expect.any(String));
  for (const door of DOORS) {
    const { knock } = door === ASSERTION ? held.assertion : asHolder(door);
    const response = await knock(token);
    await (doors.includes(door) ? door.opened(response) : door.shut(response));
  }
});

/** Somebody at a door through the client and with the subject whose tokens these are. */
function asHolder(door) {
  return door.guest(stage, { client: held.person.client, sub: held.person.sub });
}

test("tokens of another deployment of the same name open nothing", async () => {
  const { webhook, issuers, client } = stage;
  const elsewhere = new Stage();
  Object.assign(elsewhere, { webhook, issuers, issuer: issuers[0] });
  elsewhere.world = await startWorkers({ issuers, webhook });
  try {
    elsewhere.client = await addClient(elsewhere.world, { id: client.id });
    const { own } = await heldIn(elsewhere);
    const subject = decode(own.mfa).claims.idp_sub;
    for (const token of [own.mfa, own.mfa_token, own.api, own.id_token]) {
      for (const door of DOORS) {
        const { knock } = door === ASSERTION ? held.assertion : door.guest(stage, { client, sub: subject });
        await door.shut(await knock(token));
      }
    }
    // There they are as good as ours are here.
    const there = elsewhere.person({ client: { id: decode(own.mfa).claims.client_id }, sub: subject });
    for (const token of [own.mfa, own.mfa_token]) await LIST.opened(await there.list({ token }));
  } finally {
    await elsewhere.world.dispose();
  }
});
