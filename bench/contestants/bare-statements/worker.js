// What is left where nothing is verified, sealed or hashed: Countersign's own statements in one batch, with values of the
// same lengths, and the message to the queue. No Worker that keeps what Countersign keeps is faster.

/** Of a sealed secret or address, a sealed delivery, and a keyed hash: as long as Countersign's. */
const SEALED = `s1.${"A".repeat(64)}`;
const PAYLOAD = `s1.${"A".repeat(160)}`;
const HASH = `h1.${"A".repeat(43)}`;

let version;

export default {
  async fetch(request, { DB, OOB_QUEUE, CLIENT, ENROLL, ADD_DELIVERY, CHARGE_MESSAGE }, context) {
    version ??= await DB.prepare("SELECT version FROM clients WHERE id = ?1").bind(CLIENT).first("version");
    const oob = (await request.text()).includes("oob");
    const id = crypto.randomUUID();
    const user = `idp|${id}`;
    const now = Math.floor(Date.now() / 1000);
    const hash = oob ? HASH : null;
    const expiresAt = now + (oob ? 300 : 86400);
    const enroll = (kind, delivery, ...message) =>
      DB.prepare(ENROLL).bind(
        id,
        user,
        CLIENT,
        kind,
        SEALED,
        hash,
        hash,
        id,
        HASH,
        0,
        now,
        now,
        expiresAt,
        version,
        id,
        ...message,
        null,
        null,
        delivery,
        null,
        null,
      );
    if (!oob) {
      await enroll("totp", null, null, null, null).all();
      return Response.json({ id });
    }
    // Four of the six have an hour's and a day's bucket, one of them everybody's.
    const own = [`user:${user}`, `recipient:${id}:${HASH}`].map((key) => [key, 360_000, 9e15]);
    const shared = [...["address", "prefix", "range"].map((what) => `${what}:${id}:${HASH}`), "overall"];
    const charges = JSON.stringify([...own, ...shared.map((key) => [key, 360_000, 9e15, 2_592_000, 9e15])]);
    await DB.batch([
      enroll("sms", id, charges, "region:49", "network:64500"),
      DB.prepare(ADD_DELIVERY).bind(id, "sms", PAYLOAD, now, expiresAt, id, "49", "64500", charges, user),
      DB.prepare(CHARGE_MESSAGE).bind(charges, now * 1000, id, null),
    ]);
    context.waitUntil(OOB_QUEUE.send({ delivery: id }, { contentType: "json" }));
    return Response.json({ id });
  },
};
