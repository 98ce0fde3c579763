// What a million of something costs, from what one of it was counted to take.
import { totp } from "../../tests/support/totp.mjs";
import { table } from "./document.mjs";

/** US dollars a million beyond what Workers Paid includes, as docs/growth.md says where from. */
export const PRICES = { requests: 0.3, cpuMilliseconds: 0.02, rowsRead: 0.001, rowsWritten: 1, queueOperations: 0.4 };
/** A message is written, read and deleted. */
const OPERATIONS = 3;
/** Nobody can count them here. docs/growth.md says why this should be too much. */
const CPU_MILLISECONDS = 5;
const TIMES = 10;
/** After three days all that passes has expired. */
const THREE_DAYS = 3 * 24 * 60 * 60;

/** What people do. Each returns how many requests it took; `stage.codeFor` is the queue's consumer. */
const DEEDS = {
  "an app is enrolled": async (stage) => {
    await app(stage, stage.person());
    return 2;
  },
  "a phone is enrolled": async (stage) => {
    await phone(stage, stage.person());
    return 2;
  },
  "a login with an app's code": async (stage, { appUser }) => {
    await appUser.person.list();
    const otp = totp(appUser.secret, stage.world.now());
    await appUser.person.exchange("otp", { mfa_token: appUser.person.mfaToken(), otp });
    return 2;
  },
  "a login with a code by message": async (stage, { phoneUser }) => {
    const mfa_token = phoneUser.mfaToken();
    await phoneUser.list({ token: mfa_token });
    const { oob_code } = await (await phoneUser.challenge({ challenge_type: "oob", mfa_token })).json();
    await phoneUser.exchange("oob", { mfa_token, oob_code, binding_code: await stage.codeFor(phoneUser.number) });
    return 3;
  },
};

async function app(stage, person) {
  const { secret } = await (await person.associateOtp()).json();
  await person.exchange("otp", { mfa_token: person.mfaToken(), otp: totp(secret, stage.world.now(), -1) });
  return secret;
}

async function phone(stage, person) {
  const mfa_token = person.mfaToken();
  const { oob_code } = await (await person.associateSms({ token: mfa_token })).json();
  await person.exchange("oob", { mfa_token, oob_code, binding_code: await stage.codeFor(person.number) });
}

/** What one of each deed takes, the sending of its messages and the sweeping of what it leaves included. */
export async function countDeeds(stage) {
  const { world } = stage;
  const counted = {};
  for (const [name, act] of Object.entries(DEEDS)) {
    const sums = { requests: 0, rowsRead: 0, rowsWritten: 0, messages: 0 };
    const users = [];
    for (let time = 0; time < TIMES; time += 1) {
      const appUser = { person: stage.person() };
      appUser.secret = await app(stage, appUser.person);
      const phoneUser = stage.person();
      await phone(stage, phoneUser);
      users.push({ appUser, phoneUser });
    }
    await stage.sendWhatWaits();
    await sweepAll(stage);
    const add = ({ rowsRead, rowsWritten }) => {
      sums.rowsRead += rowsRead;
      sums.rowsWritten += rowsWritten;
    };
    await users[0].appUser.person.list();
    for (const each of users) {
      const cost = await world.cost(async () => {
        sums.requests += await act(stage, each);
        await stage.sendWhatWaits();
      });
      add(cost);
      add(cost.consumer);
      sums.messages += cost.sent.length;
    }
    add(await sweepAll(stage));
    counted[name] = Object.fromEntries(Object.entries(sums).map(([key, sum]) => [key, Math.round(sum / TIMES)]));
  }
  return counted;
}

/** Lets everything expire and be swept. What a sweep reads that finds nothing is not of this. */
async function sweepAll(stage) {
  await stage.world.advance(THREE_DAYS);
  const { consumer } = await stage.world.cost(() => stage.world.sweep());
  const { consumer: idle } = await stage.world.cost(() => stage.world.sweep());
  return { rowsRead: consumer.rowsRead - idle.rowsRead, rowsWritten: consumer.rowsWritten - idle.rowsWritten };
}

/** US dollars of a million. */
export function dollars({ requests, rowsRead, rowsWritten, messages }) {
  return (
    requests * (PRICES.requests + CPU_MILLISECONDS * PRICES.cpuMilliseconds) +
    rowsRead * PRICES.rowsRead +
    rowsWritten * PRICES.rowsWritten +
    messages * OPERATIONS * PRICES.queueOperations
  );
}

/** The table of docs/growth.md. */
export function priceTable(counted) {
  const rows = Object.entries(counted).map(([name, each]) => [
    name,
    ...[each.requests, each.rowsRead, each.rowsWritten, each.messages],
    dollars(each).toFixed(2),
    (each.rowsWritten * PRICES.rowsWritten).toFixed(2),
  ]);
  const head = ["", "requests", "rows read", "rows written", "queue messages", "US$ a million", "of that, rows written"];
  return table(head, rows);
}
