/** Somebody who has asked `stage` for a code by `channel`, with the message that the queue was told of. */
import { accepted } from "../answers.mjs";

export async function waiting(stage, channel, more = {}) {
  const { world } = stage;
  const person = stage.person();
  const [name, to] = channel === "email" ? ["email", person.email] : ["phone_number", person.number];
  const mfa_token = person.mfaToken();
  const body = { authenticator_types: ["oob"], oob_channels: [channel], [name]: to, ...more };
  const { result, sent } = await world.cost(() => person.associate(body, { token: mfa_token }));
  const { oob_code } = await accepted(result);
  const id = Object.values(sent[0])[0];
  const row = async () =>
    (await world.rows("SELECT state, provider, failure, sealed IS NULL AS cleared FROM deliveries WHERE id = ?", id))[0];
  const confirm = (binding_code) => person.exchange("oob", { mfa_token, oob_code, binding_code });
  return { person, to, id, row, confirm, deliver: () => world.deliver(sent) };
}

/** The lines of `stage`'s log that tell an operator to mend a provider, for this reason or for any. */
export async function alerts(stage, reason = "") {
  const lines = await stage.world.logLines();
  return lines.filter((line) => line.includes('"provider_misconfigured"') && line.includes(reason));
}
