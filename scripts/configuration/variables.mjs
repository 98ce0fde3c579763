// The names that configure Countersign.

/** What a deployment cannot do without. */
export const REQUIRED = ["PUBLIC_URL", "TENANT_NAME", "TRUSTED_ISSUERS"];

/** What has a default, or is needed for some features only. */
export const OPTIONAL = [
  "CLOUDFLARE_EMAIL",
  "DEFAULT_LANGUAGE",
  "DELIVERY",
  "EMAIL_FROM",
  "EXPORT_EVENTS",
  "EXPORT_METRICS",
  "NOTICES",
  "RESEND_URL",
  "SES_ACCESS_KEY_ID",
  "SES_CONFIGURATION_SET",
  "SES_REGION",
  "SES_URL",
  "TWILIO_ACCOUNT_SID",
  "TWILIO_API_KEY",
  "TWILIO_FROM",
  "TWILIO_MESSAGING_SERVICE_SID",
  "TWILIO_URL",
  "TWILIO_VERIFY_SERVICE_SID",
  "TWILIO_VERIFY_URL",
  "TWILIO_VOICE_FROM",
  "FACTORS",
  "POLICY",
  "SENDING_LIMITS",
  "TEST_RECIPIENTS",
  "ACCESS_TOKEN_SECONDS",
  "ACTIVE_SIGNING_KEY",
  "ACTIVE_ENCRYPTION_KEYS",
  "WEBHOOK_URL",
];

export const isSigningKey = (name) => name.startsWith("SIGNING_KEY_");
export const isFurtherEncryptionKeys = (name) => name.startsWith("ENCRYPTION_KEYS_");
export const isEncryptionKeys = (name) => name === "ENCRYPTION_KEYS" || isFurtherEncryptionKeys(name);
/** Something is sealed or signed with it: it is rotated, not replaced. */
export const isKey = (name) => isEncryptionKeys(name) || isSigningKey(name);
export const isWebhookSecret = (name) => name === "WEBHOOK_SECRET" || name.startsWith("WEBHOOK_SECRET_");

/** Secrets that a provider of messages gives or shares: they cannot be made here. */
export const PROVIDER_SECRETS = [
  "RESEND_API_KEY",
  "SES_SECRET_ACCESS_KEY",
  "TWILIO_API_SECRET",
  "TWILIO_AUTH_TOKEN",
  "WEBHOOK_SECRET",
];

/** Whether a name stands for a secret of Countersign. */
export const isSecret = (name) =>
  isEncryptionKeys(name) || isSigningKey(name) || isWebhookSecret(name) || PROVIDER_SECRETS.includes(name);

/** Whether a name configures Countersign. */
export const isVariable = (name) => REQUIRED.includes(name) || OPTIONAL.includes(name) || isSecret(name);

/** The variables among these, as texts. A variable that wrangler's file writes as a table or list is JSON. */
export function variablesIn(values) {
  const own = Object.entries(values ?? {}).filter(([name, value]) => isVariable(name) && value !== "" && value !== undefined);
  return Object.fromEntries(own.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));
}
