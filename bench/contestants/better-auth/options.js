// Shared by the Worker and by whoever makes its tables.
import { twoFactor } from "better-auth/plugins";
import { HASH, PASSWORD } from "./password.js";

const password = { hash: async () => HASH, verify: async ({ hash, password }) => hash === HASH && password === PASSWORD };

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
