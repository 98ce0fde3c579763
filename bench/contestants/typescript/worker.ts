/** `POST /mfa/associate` as people write it: read the client, read the user's authenticators, decide, write. */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { type Bindings, type Client, CODE_SECONDS, ENROLLMENT_SECONDS, ISSUER_NAME } from "../shared/bindings.ts";
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

const Body = z.object({
  client_id: z.string().optional(),
  authenticator_types: z.array(z.enum(["otp", "oob"])).min(1),
  oob_channels: z.array(z.enum(["sms"])).optional(),
  phone_number: z
    .string()
    .regex(/^\+[1-9][0-9]{6,14}$/)
    .optional(),
});

/** A row of those that are read before anything is decided: of an authenticator, or of a message's buckets. */
interface Read {
  kind: string;
  key: string;
  full_at: number;
  day_full_at: number | null;
}

let keySet: JWTVerifyGetKey | undefined;

async function verified(env: Bindings, authorization: string | undefined): Promise<JWTPayload> {
  const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  if (!token) throw refusal(401, "invalid_grant", "The mfa_token is missing.");
  keySet ??= createRemoteJWKSet(new URL(env.JWKS_URI));
  try {
    const { payload } = await jwtVerify(token, keySet, {
      issuer: env.ISSUER,
      audience: `${env.PUBLIC_URL}/mfa/`,
      algorithms: ["RS256"],
      typ: "mfa+jwt",
      requiredClaims: ["sub", "iat", "exp"],
      maxTokenAge: "10 minutes",
    });
    return payload;
  } catch {
    throw refusal(401, "invalid_grant", "The mfa_token provided is invalid.");
  }
}

function refusal(status: 400 | 401 | 403 | 429, error: string, error_description: string): HTTPException {
  return new HTTPException(status, { res: Response.json({ error, error_description }, { status }) });
}

const app = new Hono<{ Bindings: Bindings }>();

app.post("/mfa/associate", async (c) => {
  const claims = await verified(c.env, c.req.header("authorization"));
  const parsed = Body.safeParse(await c.req.json().catch(() => null));
  if (!parsed.success) throw refusal(400, "invalid_request", z.prettifyError(parsed.error));
  const body = parsed.data;
  const sms = body.authenticator_types[0] === "oob";
  if (sms && !(body.oob_channels && body.phone_number)) {
    throw refusal(400, "invalid_request", "oob_channels and phone_number are required with oob.");
  }
  const phone = body.phone_number ?? "";
  const clientId = body.client_id ?? (claims.azp as string);
  const { DB } = c.env;

  const client = await DB.prepare("SELECT * FROM clients WHERE id = ?").bind(clientId).first<Client>();
  if (!client || client.require_authentication || !JSON.parse(client.issuers).includes(ISSUER_NAME)) {
    throw refusal(401, "invalid_client", "Unknown client.");
  }

  const now = Math.floor(Date.now() / 1000);
  const user = `${ISSUER_NAME}|${claims.sub}`;
  const keys = await importedKeys(c.env);
  const charged = sms ? await charges(keys, user, phone, c.req.header("cf-connecting-ip") ?? "", now) : [];
  const reads = [
    DB.prepare("SELECT id, kind FROM authenticators WHERE user_id = ?").bind(user),
    DB.prepare("SELECT 1 FROM redemptions WHERE spent = ?").bind(claims.jti ?? ""),
  ];
  if (sms) {
    const marks = charged.map(() => "?").join(", ");
    const names = charged.map(([key]) => key);
    reads.push(DB.prepare(`SELECT key, full_at, day_full_at FROM message_budgets WHERE key IN (${marks})`).bind(...names));
  }
  const [authenticators, spent, budgets] = await DB.batch<Read>(reads);
  if (spent.results.length > 0) throw refusal(401, "invalid_grant", "The mfa_token provided is invalid.");
  if (authenticators.results.some(({ kind }) => kind !== "email")) {
    throw refusal(403, "access_denied", "User is already enrolled.");
  }
  const full = new Map(budgets?.results.map(({ key, full_at, day_full_at }) => [key, { hour: full_at, day: day_full_at }]));
  const isEmpty = ([key, , latest, , latestOfDay = Infinity]: Charge) =>
    (full.get(key)?.hour ?? 0) > latest || (full.get(key)?.day ?? 0) > latestOfDay;
  if (charged.some(isEmpty)) {
    throw refusal(429, "too_many_requests", "Too many messages.");
  }

  const id = randomId(sms ? "sms_" : "totp_");
  const recoveryCode = randomRecoveryCode();
  const recoveryHash = await hashed(keys, "recovery", user, recoveryCode);
  const enroll = (
    kind: string,
    sealed: string,
    index: string | null,
    codeHash: string | null,
    seconds: number,
    delivery: string | null,
  ) =>
    DB.prepare(
      `INSERT OR REPLACE INTO enrollments
         (id, user_id, place, sequence, client_id, kind, sealed, address_index, code_hash, recovery_id, recovery_hash, proof,
          created_at, expires_at, delivery_id)
       SELECT ?1, ?2, next % 10, next, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?12
       FROM (SELECT COALESCE(MAX(sequence), -1) + 1 AS next FROM enrollments WHERE user_id = ?2)`,
    ).bind(id, user, clientId, kind, sealed, index, codeHash, randomId("rec_"), recoveryHash, now, now + seconds, delivery);
  const told = { event: "enrollment_begun", time: now, user, client: clientId, authenticator: id };

  if (!sms) {
    const secret = randomSecret();
    await enroll("totp", await seal(keys, `${id}:${user}`, secret.bytes), null, null, ENROLLMENT_SECONDS, null).run();
    console.log(JSON.stringify(told));
    return c.json({
      id,
      authenticator_type: "otp",
      secret: secret.base32,
      barcode_uri: barcodeUri(c.env.TENANT_NAME, String(claims.email ?? claims.sub), secret.base32),
      recovery_codes: [recoveryCode],
    });
  }

  const code = randomCode();
  const delivery = randomId("dlv_");
  const expiresAt = now + CODE_SECONDS;
  const [sealed, index, codeHash, payload, oobCode] = await Promise.all([
    seal(keys, `${id}:${user}`, phone),
    hashed(keys, "phone", user, phone),
    hashed(keys, "code", id, code),
    seal(keys, `delivery:${delivery}`, JSON.stringify({ to: phone, code })),
    seal(keys, "oob_code", JSON.stringify({ id, user, client: clientId, transaction: claims.jti, expiresAt })),
  ]);
  const returned = JSON.stringify(charged.map(([key, cost, , costOfDay]) => [key, cost, costOfDay]));
  const rows = charged.map(() => "(?, ?, ?)").join(", ");
  const later = (fullAt: number | null | undefined, cost: number) => Math.max(fullAt ?? 0, now * 1000) + cost;
  await DB.batch([
    enroll("sms", sealed, index, codeHash, CODE_SECONDS, delivery),
    DB.prepare(
      `INSERT INTO deliveries (id, channel, sealed, state, due_at, created_at, expires_at, owner, region, charges)
       VALUES (?1, 'sms', ?2, 'waiting', ?3, ?3, ?4, ?5, '49', ?6)`,
    ).bind(delivery, payload, now, expiresAt, id, returned),
    DB.prepare(
      `INSERT INTO message_budgets (key, full_at, day_full_at) VALUES ${rows}
       ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, day_full_at = excluded.day_full_at`,
    ).bind(
      ...charged.flatMap(([key, cost, , costOfDay]) => [
        key,
        later(full.get(key)?.hour, cost),
        costOfDay === undefined ? null : later(full.get(key)?.day, costOfDay),
      ]),
    ),
  ]);
  await c.env.OOB_QUEUE.send(delivery);
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
