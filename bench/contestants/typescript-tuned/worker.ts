/**
 * `POST /mfa/associate` with everything that can be remembered remembered (the imported key, the client's row), and all
 * that is decided by the database decided in one batch: the statement that adds the row carries the conditions.
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { importJWK, jwtVerify, type CryptoKey, type JSONWebKeySet, type JWTHeaderParameters, type JWTPayload } from "jose";
import { type Bindings, type Client, CODE_SECONDS, ENROLLMENT_SECONDS, ISSUER_NAME, type Wanted } from "../shared/bindings.ts";
import { type Charge, charges } from "../shared/budgets.ts";
import {
  barcodeUri,
  hashed,
  importedKeys,
  randomCode,
  randomId,
  randomRecoveryCode,
  randomSecret,
  seal,
} from "../shared/cryptography.ts";
import { deliver } from "../shared/delivery.ts";

const KEY_SET_SECONDS = 600;
const CLIENT_SECONDS = 60;

// `user_id = +?2` keeps SQLite from compiling the statement for each request again, and so does reading the version. `LIMIT 1`
// keeps it from testing the conditions where the next sequence is looked for, too.
const ENROLL = `
INSERT OR REPLACE INTO enrollments
  (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof, created_at,
   expires_at, delivery_id)
SELECT ?1, ?2, next % 10, next, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?15
FROM (SELECT COALESCE(MAX(sequence), -1) + 1 AS next FROM enrollments WHERE user_id = +?2 LIMIT 1)
WHERE NOT EXISTS (SELECT 1 FROM authenticators WHERE user_id = ?2 AND kind <> 'email')
  AND (SELECT version FROM clients WHERE id = ?3) = ?12
  AND NOT EXISTS (SELECT 1 FROM redemptions WHERE spent = ?13)
  AND NOT EXISTS (SELECT 1 FROM json_each(?14) AS charge CROSS JOIN message_budgets
                  WHERE message_budgets.key = charge.value ->> 0
                    AND (full_at > charge.value ->> 2 OR day_full_at > charge.value ->> 4))`;

const ADD_DELIVERY = `
INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at, owner, region, charges)
SELECT ?1, 'sms', ?2, 'waiting', ?3, ?3, ?4, ?5, '49', ?6
WHERE EXISTS (SELECT 1 FROM enrollments WHERE user_id = ?7 AND id = ?5)`;

const CHARGE = `
INSERT INTO message_budgets (key, full_at, day_full_at)
SELECT charge.value ->> 0,
       MAX(COALESCE(charged.full_at, ?2), ?2) + (charge.value ->> 1),
       MAX(COALESCE(charged.day_full_at, ?2), ?2) + (charge.value ->> 3)
FROM json_each(?1) AS charge LEFT JOIN message_budgets AS charged ON charged.key = charge.value ->> 0
WHERE EXISTS (SELECT 1 FROM deliveries WHERE id = +?3)
ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, day_full_at = excluded.day_full_at`;

let keySet: { keys: Map<string, CryptoKey>; until: number } | undefined;
const clients = new Map<string, { client: Client; until: number }>();

async function keyOf(env: Bindings, { kid = "" }: JWTHeaderParameters, now: number): Promise<CryptoKey> {
  if (!keySet || keySet.until <= now) {
    const { keys } = await (await fetch(env.JWKS_URI)).json<JSONWebKeySet>();
    const imported = keys.map(async (key) => [key.kid ?? "", (await importJWK(key, "RS256")) as CryptoKey] as const);
    keySet = { keys: new Map(await Promise.all(imported)), until: now + KEY_SET_SECONDS };
  }
  const key = keySet.keys.get(kid);
  if (!key) throw new Error("unknown key");
  return key;
}

async function verified(env: Bindings, authorization: string | undefined, now: number): Promise<JWTPayload> {
  try {
    if (!authorization?.startsWith("Bearer ")) throw new Error("no bearer token");
    const { payload } = await jwtVerify(authorization.slice(7), (header) => keyOf(env, header, now), {
      issuer: env.ISSUER,
      audience: `${env.PUBLIC_URL}/mfa/`,
      algorithms: ["RS256"],
      typ: "mfa+jwt",
      requiredClaims: ["sub", "iat", "exp"],
      maxTokenAge: 600,
    });
    return payload;
  } catch {
    throw refusal(401, "invalid_grant", "The mfa_token provided is invalid.");
  }
}

async function clientOf({ DB }: Bindings, id: string, now: number): Promise<Client> {
  const known = clients.get(id);
  if (known && known.until > now) return known.client;
  const columns = "id, version, issuers, require_authentication";
  const client = await DB.prepare(`SELECT ${columns} FROM clients WHERE id = ?1`).bind(id).first<Client>();
  if (!client || client.require_authentication || !JSON.parse(client.issuers).includes(ISSUER_NAME)) {
    throw refusal(401, "invalid_client", "Unknown client.");
  }
  clients.set(id, { client, until: now + CLIENT_SECONDS });
  return client;
}

function wanted(body: unknown): Wanted {
  const { authenticator_types: types, oob_channels: channels, phone_number: phone } = (body ?? {}) as Record<string, unknown>;
  if (Array.isArray(types) && types[0] === "otp") return { type: "otp" };
  const sms = Array.isArray(types) && types[0] === "oob" && Array.isArray(channels) && channels[0] === "sms";
  if (sms && typeof phone === "string" && /^\+[1-9][0-9]{6,14}$/.test(phone)) return { type: "sms", phone };
  throw refusal(400, "invalid_request", "authenticator_types, oob_channels or phone_number will not do.");
}

function refusal(status: 400 | 401 | 403, error: string, error_description: string): HTTPException {
  return new HTTPException(status, { res: Response.json({ error, error_description }, { status }) });
}

const app = new Hono<{ Bindings: Bindings }>();

app.post("/mfa/associate", async (c) => {
  const { env } = c;
  const now = Math.floor(Date.now() / 1000);
  const claims = await verified(env, c.req.header("authorization"), now);
  const asked = wanted(await c.req.json().catch(() => null));
  const client = await clientOf(env, String(claims.azp), now);
  const user = `${ISSUER_NAME}|${claims.sub}`;
  const keys = await importedKeys(env);
  const recoveryCode = randomRecoveryCode();
  const recoveryHash = hashed(keys, "recovery", user, recoveryCode);
  const id = randomId(asked.type === "otp" ? "totp_" : "sms_");
  const statement = env.DB.prepare(ENROLL);
  const enroll = (
    sealed: string,
    seconds: number,
    hash: string,
    index?: string,
    code?: string,
    charged: Charge[] = [],
    delivery?: string,
  ) =>
    statement.bind(
      id,
      user,
      client.id,
      asked.type === "otp" ? "totp" : "sms",
      sealed,
      index ?? null,
      code ?? null,
      randomId("rec_"),
      hash,
      now,
      now + seconds,
      client.version,
      claims.jti ?? "",
      JSON.stringify(charged),
      delivery ?? null,
    );
  const told = { event: "enrollment_begun", time: now, user, client: client.id, authenticator: id };

  if (asked.type === "otp") {
    const secret = randomSecret();
    const [sealed, hash] = await Promise.all([seal(keys, `${id}:${user}`, secret.bytes), recoveryHash]);
    const { meta } = await enroll(sealed, ENROLLMENT_SECONDS, hash).run();
    if (meta.changes === 0) throw refusal(403, "access_denied", "This cannot be enrolled.");
    console.log(JSON.stringify(told));
    return c.json({
      id,
      authenticator_type: "otp",
      secret: secret.base32,
      barcode_uri: barcodeUri(env.TENANT_NAME, String(claims.email ?? claims.sub), secret.base32),
      recovery_codes: [recoveryCode],
    });
  }

  const { phone } = asked;
  const code = randomCode();
  const delivery = randomId("dlv_");
  const expiresAt = now + CODE_SECONDS;
  const [hash, sealed, index, codeHash, payload, oobCode, charged] = await Promise.all([
    recoveryHash,
    seal(keys, `${id}:${user}`, phone),
    hashed(keys, "phone", user, phone),
    hashed(keys, "code", id, code),
    seal(keys, `delivery:${delivery}`, JSON.stringify({ to: phone, code })),
    seal(keys, "oob_code", JSON.stringify({ id, user, client: client.id, transaction: claims.jti, expiresAt })),
    charges(keys, user, phone, c.req.header("cf-connecting-ip") ?? "", now),
  ]);
  const list = JSON.stringify(charged);
  const [added] = await env.DB.batch([
    enroll(sealed, CODE_SECONDS, hash, index, codeHash, charged, delivery),
    env.DB.prepare(ADD_DELIVERY).bind(delivery, payload, now, expiresAt, id, list, user),
    env.DB.prepare(CHARGE).bind(list, now * 1000, delivery),
  ]);
  if (added.meta.changes === 0) throw refusal(403, "access_denied", "This cannot be enrolled.");
  c.executionCtx.waitUntil(env.OOB_QUEUE.send(delivery));
  console.log(JSON.stringify({ ...told, delivery }));
  return c.json({
    id,
    authenticator_type: "oob",
    oob_channel: "sms",
    oob_channels: "sms",
    oob_code: oobCode,
    binding_method: "prompt",
    recovery_codes: [recoveryCode],
  });
});

export default { fetch: app.fetch, queue: deliver };
