// Shared by the Worker and by whoever makes its tables.
import { twoFactor } from "better-auth/plugins";

export const PASSWORD = "a password that is long enough";
const HASH = "not hashed: hashing is what is not measured here";

/** The user's password is compared, not hashed: a proper hash would take most of the request. */
export const password = { hash: async () => HASH, verify: async ({ hash, password }) => hash === HASH && password === PASSWORD };

export const options = ({ DB, PUBLIC_URL, SECRET, TENANT_NAME }) => ({
  appName: TENANT_NAME,
  baseURL: PUBLIC_URL,
  secret: SECRET,
  database: DB,
  emailAndPassword: { enabled: true, password },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [twoFactor()],
});
