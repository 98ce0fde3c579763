// One of each request, in an order in which each finds what it needs. The names are those of docs/performance.md.
import { SUBJECT_AUDIENCE, subjectTokenOf, tokenExchange } from "../../tests/support/token-exchange.mjs";
import { totp } from "../../tests/support/totp.mjs";
import { Failure } from "../terminal/failure.mjs";

/**
 * Asks everything once, as people who are new.
 *
 * @param {import("./stage.mjs").MeasuringStage} stage
 * @param {(name: string, ask: () => Promise<Response>) => Promise<Response>} measure asks, and notes what it cost
 */
export async function askEverything(stage, measure) {
  const asked = async (name, ask, status = 200) => {
    const response = await measure(name, ask);
    const text = await response.text();
    if (response.status !== status) throw new Failure(`"${name}" was answered ${response.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };

  await stage.world.forget();
  const person = stage.person();
  const { secret, recovery_codes } = await asked(
    "associate, app",
    tokens(person, (token) => person.associateOtp({ token })),
  );
  const code = (steps) => totp(secret, stage.world.now(), steps);
  const grant = (name, parameters) => tokens(person, (mfa_token) => person.exchange(name, { mfa_token, ...parameters }));
  // The step before is good as well, so that two codes need no waiting.
  await asked("token, first code of an app", grant("otp", { otp: code(-1) }));
  await asked("token, code of an app", grant("otp", { otp: code(0) }));
  await asked("token, wrong code", grant("otp", { otp: code(-9) }), 403);
  await asked("token, recovery code", grant("recovery", { recovery_code: recovery_codes[0] }));
  await asked(
    "challenge, app",
    tokens(person, (mfa_token) => person.challenge({ mfa_token })),
  );

  const caller = stage.person();
  const first = caller.mfaToken();
  const enrollment = await asked("associate, SMS", () => caller.associateSms({ token: first }));
  const typed = async (mfa_token, { oob_code }) => {
    const parameters = { mfa_token, oob_code, binding_code: await stage.codeFor(caller.number) };
    return () => caller.exchange("oob", parameters);
  };
  await asked("token, first code of a text message", await typed(first, enrollment));
  const login = caller.mfaToken();
  const challenge = await asked("challenge, SMS", () => caller.challenge({ mfa_token: login, challenge_type: "oob" }));
  await asked("token, code of a text message", await typed(login, challenge));
  await asked(
    "list",
    tokens(caller, (token) => caller.list({ token })),
  );

  const exchanging = stage.person({ client: stage.confidential });
  const subject_token = subjectTokenOf(exchanging, SUBJECT_AUDIENCE);
  await asked("token exchange", () => tokenExchange(stage.door, exchanging, { subject_token }));
  const token = caller.provenToken({ scope: "remove:authenticators" });
  await asked("remove", () => caller.remove(enrollment.id, { token }), 204);
}

/** Signs the token before the request is asked for: the login service's time is not ours. */
function tokens(person, ask) {
  const token = person.mfaToken();
  return () => ask(token);
}
