// The client of the demo page, in the local database.
import { randomInt } from "node:crypto";
import { putClient } from "../clients/statements.mjs";
import { execute } from "../database.mjs";

/** What the demo's last token is for. There is no such API: the token is shown, not used. */
export const DEMO_AUDIENCE = "http://localhost:8787/demo-api";
export const DEMO_CLIENT = "demo";
export const DEMO_ISSUER = "demo";

/** Makes the demo client what it should be for this address; it changes only where something differs. */
export async function putDemoClient(publicUrl, where) {
  await execute(putClient(demoClient(publicUrl)), where);
}

/** The demo client's row. */
export function demoClient(publicUrl) {
  return {
    id: DEMO_CLIENT,
    version: randomInt(1, 2 ** 31),
    name: "Demo page",
    authentication: "none",
    origins: JSON.stringify([publicUrl]),
    issuers: JSON.stringify([DEMO_ISSUER]),
    audiences: JSON.stringify([
      { audience: DEMO_AUDIENCE, scopes: ["read:demo"] },
      { audience: `${publicUrl}/mfa/`, scopes: ["enroll", "read:authenticators", "remove:authenticators"] },
    ]),
    require_authentication: 0,
    created_at: Math.floor(Date.now() / 1000),
  };
}
