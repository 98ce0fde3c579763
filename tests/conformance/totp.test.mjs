/** One-time passwords at the instants of RFC 6238's test vectors, by an oracle that gives the RFC's own numbers. */
import { expect, test } from "vitest";
import { accepted } from "../support/answers.mjs";
import { base32Encode, totp } from "../support/totp.mjs";
import { useConformanceStage } from "./cast.mjs";

const stage = useConformanceStage();

// Appendix B, SHA-1: the last six of its eight digits.
const VECTORS = [
  [59, "287082"],
  [1111111109, "081804"],
  [1111111111, "050471"],
  [1234567890, "005924"],
  [2000000000, "279037"],
  [20000000000, "353130"],
];
const SECRET = base32Encode(Buffer.from("12345678901234567890"));

test.each(VECTORS)("the oracle of these tests gives the RFC's code at second %d", (second, code) => {
  expect(totp(SECRET, second)).toBe(code);
});

// Second 59 is before any token could have been issued.
test.each(VECTORS.slice(1))("a secret that was handed out gives a code that is accepted at second %d", async (second) => {
  await stage.world.freeze(second);
  const person = stage.person();
  const mfa_token = person.mfaToken();
  const { secret } = await accepted(await person.associateOtp({ token: mfa_token }));
  await accepted(await person.exchange("otp", { mfa_token, otp: totp(secret, second) }));
});
