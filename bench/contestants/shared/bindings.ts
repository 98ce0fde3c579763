/** What both TypeScript contestants are bound to. Their tables are Countersign's own, made by its migrations. */
export interface Bindings {
  DB: D1Database;
  OOB_QUEUE: Queue<string>;
  /** Where clients reach the Worker; the tokens' audience is this plus `/mfa/`. */
  PUBLIC_URL: string;
  TENANT_NAME: string;
  ISSUER: string;
  JWKS_URI: string;
  /** 32 bytes each, base64url. */
  SEAL_KEY: string;
  HASH_KEY: string;
  WEBHOOK_URL: string;
  /** A Standard Webhooks secret, `whsec_…`. */
  WEBHOOK_SECRET: string;
}

/** A row of `clients`, as far as it is looked at. */
export interface Client {
  id: string;
  version: number;
  issuers: string;
  require_authentication: number;
}

/** What the body asks for. */
export type Wanted = { type: "otp" } | { type: "sms"; phone: string };

export const ISSUER_NAME = "idp";
export const ENROLLMENT_SECONDS = 24 * 60 * 60;
export const CODE_SECONDS = 5 * 60;
