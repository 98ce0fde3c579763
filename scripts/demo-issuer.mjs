// A stand-in for the login service that Countersign works beside: anybody may sign in as anybody. For local
// development only, on the loopback interface only; its key lives as long as the process.
import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

const TOKEN_SECONDS = 600;
const BODY_LIMIT = 4096;
const ADDRESSES = ["127.0.0.1", "::1"];

/**
 * Starts the issuer.
 *
 * @param {object} options
 * @param {number} options.port
 * @param {string} options.countersign the Worker's PUBLIC_URL, whose page may call from a browser
 * @param {string} options.audience what a token is for unless the request says so
 * @param {(line: string) => void} [options.log]
 * @returns {Promise<{ issuer: string, close: () => void }>}
 */
export async function startDemoIssuer({ port, countersign, audience, log = console.log }) {
  const issuer = `http://localhost:${port}/`;
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const kid = randomUUID();
  const keySet = { keys: [{ ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" }] };
  const discovery = { issuer, jwks_uri: `${issuer}jwks.json`, id_token_signing_alg_values_supported: ["RS256"] };

  const answers = {
    "GET /.well-known/openid-configuration": () => ({ body: discovery, cache: "max-age=300" }),
    "GET /jwks.json": () => ({ body: keySet, cache: "max-age=300" }),
    "POST /sign-in": async (request) => {
      const asked = await jsonBody(request);
      const claims = asked && mfaClaims(asked, { issuer, countersign, audience });
      if (!claims)
        return {
          status: 400,
          body: { error: "invalid_request", error_description: 'Send JSON with a name: {"name": "Ada"}.' },
        };
      log(`Demo issuer: ${claims.name} signed in.`);
      return { body: { mfa_token: signed(claims, kid, privateKey), expires_in: TOKEN_SECONDS } };
    },
  };

  const answer = async (request, response) => {
    response.setHeader("Access-Control-Allow-Origin", countersign);
    response.setHeader("Vary", "Origin");
    if (request.method === "OPTIONS") {
      response
        .writeHead(204, { "Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "content-type" })
        .end();
      return;
    }
    const route =
      answers[`${request.method} ${request.url.split("?")[0]}`] ?? (() => ({ status: 404, body: { error: "not_found" } }));
    const { status = 200, body, cache = "no-store" } = await route(request);
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": cache }).end(JSON.stringify(body));
  };

  // A caller that goes away in the middle of a request is no reason to stop.
  const servers = ADDRESSES.map(() =>
    createServer((request, response) => answer(request, response).catch(() => response.destroy())),
  );
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  try {
    const listening = await Promise.all(servers.map((server, index) => listen(server, port, ADDRESSES[index])));
    if (!listening.some(Boolean)) throw new Error(`neither ${ADDRESSES.join(" nor ")} can be listened on`);
  } catch (error) {
    close();
    throw error;
  }
  return { issuer, close };
}

/** The claims of an mfa_token, or undefined where the request makes no sense. */
export function mfaClaims(asked, { issuer, countersign, audience, now = Math.floor(Date.now() / 1000) }) {
  const text = (value, otherwise) => (typeof value === "string" && value !== "" ? value : otherwise);
  const name = text(asked.name, "").trim().slice(0, 100);
  if (!name) return undefined;
  const slug = slugOf(name);
  return {
    iss: issuer,
    sub: slug,
    aud: `${countersign}/mfa/`,
    azp: text(asked.client_id, "demo"),
    iat: now,
    exp: now + TOKEN_SECONDS,
    jti: randomUUID(),
    name,
    email: `${slug}@example.com`,
    email_verified: true,
    amr: ["pwd"],
    audience: text(asked.audience, audience),
    scope: text(asked.scope, "openid profile read:demo"),
  };
}

// "Ada Lovelace" is ada-lovelace; a name without a Latin letter keeps apart from others by its code points.
function slugOf(name) {
  const plain = name.normalize("NFKD").toLowerCase().replaceAll(/\p{M}/gu, "");
  const slug = plain.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return slug || [...plain].map((character) => character.codePointAt(0).toString(16)).join("-");
}

function signed(claims, kid, privateKey) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${encode({ alg: "RS256", typ: "mfa+jwt", kid })}.${encode(claims)}`;
  return `${input}.${createSign("RSA-SHA256").update(input).sign(privateKey, "base64url")}`;
}

async function jsonBody(request) {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_LIMIT) return undefined;
  }
  try {
    const body = JSON.parse(text);
    return body !== null && typeof body === "object" ? body : undefined;
  } catch {
    return undefined;
  }
}

// A machine may lack IPv6: then there is nobody to listen for on it.
function listen(server, port, address) {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => (["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(error.code) ? resolve(false) : reject(error)));
    server.listen({ port, host: address, ipv6Only: address === "::1" }, () => resolve(true));
  });
}
