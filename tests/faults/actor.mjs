/**
 * Somebody with a client that does what good clients do: it keeps what it was told, and where an answer is lost or says
 * that the service is unavailable it asks again until it knows. What it knows is the record that the audit compares the
 * database with.
 */
import { randomUUID } from "node:crypto";
import { freshNumber, random as fresh } from "../support/person.mjs";
import { STEP_SECONDS, totp, wrongTotp } from "../support/totp.mjs";

const UNAVAILABLE = "The service is temporarily unavailable. Try again in a moment.";
const LOGIN_SECONDS = 600;
/** A login is not begun on this many seconds before its end. */
const LIFETIME = 60;
/** What a client waits for a message before it gives up, in milliseconds. */
const PATIENCE = 2_500;
const OPERATIONS_OF_A_PERSON = 40;

export class Actor {
  /** The people that it has been, the present one last. */
  records = [];

  /** @param {import("./soak.mjs").Soak} soak */
  constructor(soak, random) {
    Object.assign(this, { soak, random });
  }

  async run() {
    for (let done = 0; !this.soak.over; done += 1) {
      if (done % OPERATIONS_OF_A_PERSON === 0) this.#begin();
      await this.#act();
    }
  }

  #begin() {
    this.record = {
      person: this.soak.stage.person(),
      active: new Map(),
      pending: new Map(),
      /** null: there is none; `code` null: it was replaced, and the answer that had the next one is lost. */
      recovery: null,
      spent: [],
      guesses: [],
    };
    this.records.push(this.record);
  }

  async #act() {
    const { active } = this.record;
    const independent = this.#independent();
    const choices = [["list", 1]];
    if (active.size < 6) choices.push(["enroll", independent ? 2 : 8]);
    if (active.size > 0) choices.push(["remove", active.size > 4 ? 4 : 1]);
    if (active.size > 0) choices.push(["verify", 8]);
    if (this.record.recovery?.code) choices.push(["recover", 2]);
    if (this.record.spent.length > 0) choices.push(["spend", 1]);
    let left = this.random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
    const [chosen] = choices.find(([, weight]) => (left -= weight) < 0) ?? choices[0];
    this.soak.count(chosen);
    await {
      list: () => this.#list(),
      enroll: () => this.#enroll(),
      remove: () => this.#remove(),
      verify: () => this.#verify(),
      recover: () => this.#recover(),
      spend: () => this.#spendAgain(),
    }[chosen]();
  }

  // --- What it does ---

  async #enroll() {
    const { person, pending } = this.record;
    const kind = this.#one(["totp", "totp", "sms", "sms", "email"]);
    const to = { totp: () => undefined, sms: freshNumber, email: () => `${fresh()}@mail.example.com` }[kind]();
    const again = this.#chance(0.15) ? this.#active(kind)[0]?.[1].to : undefined;
    const address = again ?? to;
    const body = {
      totp: { authenticator_types: ["otp"] },
      sms: { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: address },
      email: { authenticator_types: ["oob"], oob_channels: ["email"], email: address },
    }[kind];
    const token = this.#independent() ? person.provenToken({ exp: this.#end() }) : this.#login();
    const headers = { "idempotency-key": randomUUID() };
    const send = (isolate) => person.associate(body, { token, headers, isolate });
    const answer = await this.#ask(`enroll ${kind}`, send, { repeatable: true });
    if (answer?.status !== 200) return;
    const { id, secret, oob_code, recovery_codes } = answer.body;
    pending.set(id, { kind, to: address, secret, oob_code, recovery: recovery_codes?.[0] });
    this.soak.enrollments.add(id);
    if (kind !== "totp") this.soak.promised.push({ owner: id, to: address });
    if (this.#chance(0.1)) return;
    const sent = kind === "totp" ? null : await this.#received(id);
    if (kind !== "totp" && !sent) return;
    const code = () => sent ?? totp(secret, this.soak.now());
    if (this.#chance(0.25)) await this.#confirm(id, code, { wrong: true });
    await this.#confirm(id, code);
  }

  async #confirm(id, code, { wrong = false } = {}) {
    const { person, pending } = this.record;
    const enrollment = pending.get(id);
    if (!enrollment) return;
    const mfa_token = this.#login();
    const { kind, secret, oob_code } = enrollment;
    const otp = () => (wrong ? wrongTotp(secret, this.soak.now()) : code());
    const binding_code = () => (wrong ? other(code()) : code());
    const send = (isolate) =>
      kind === "totp"
        ? person.exchange("otp", { mfa_token, otp: otp() }, { isolate })
        : person.exchange("oob", { mfa_token, oob_code, binding_code: binding_code() }, { isolate });
    const answer = await this.#ask(`confirm ${kind}`, send, { guess: "guess" });
    const done = await this.#exchanged(answer, mfa_token, send, () => this.#isActive(id));
    if (!done) return;
    if (wrong) this.soak.differs(`${id} was confirmed by a wrong code`, answer);
    this.#confirmed(id, enrollment);
  }

  #confirmed(id, enrollment) {
    const { active, pending } = this.record;
    const first = !this.#independent();
    pending.delete(id);
    if (first && enrollment.kind !== "email") {
      pending.clear();
      this.record.recovery = enrollment.recovery ? { code: enrollment.recovery } : null;
    } else if (first && enrollment.recovery) {
      this.record.recovery = { code: enrollment.recovery };
    }
    for (const [other, { kind, to }] of active) {
      if (to && kind === enrollment.kind && to === enrollment.to) {
        active.delete(other);
        this.soak.replaced.add(other);
      }
    }
    active.set(id, { ...enrollment, step: this.#step() });
  }

  async #remove() {
    const { person, active, pending } = this.record;
    const [id] = this.#one([...active]);
    const token = person.provenToken({ scope: "remove:authenticators", exp: this.#end() });
    const answer = await this.#ask("remove", (isolate) => person.remove(id, { token, isolate }));
    const gone =
      answer?.status === 204 ||
      (answer?.unknown && (answer.status === 404 || (answer.status === 401 && !(await this.#isActive(id)))));
    if (answer && !gone && answer.status === 404) this.soak.differs(`${id} was acknowledged and is not there`, answer);
    if (!gone) return;
    active.delete(id);
    pending.clear();
    if (active.size === 0) this.record.recovery = null;
    this.soak.removed.add(id);
  }

  async #verify() {
    const [id, authenticator] = this.#one([...this.record.active]);
    if (authenticator.kind === "totp") return this.#verifyApp(authenticator);
    return this.#verifyMessage(id, authenticator);
  }

  async #verifyApp(app) {
    const { person } = this.record;
    const step = this.#step();
    if (step <= app.step) return;
    const mfa_token = this.#login();
    const otp = this.#chance(0.1) ? wrongTotp(app.secret, this.soak.now()) : totp(app.secret, this.soak.now());
    const send = (isolate) => person.exchange("otp", { mfa_token, otp }, { isolate });
    const answer = await this.#ask("verify totp", send, { guess: "guess" });
    // Where it is not known whether the step was used, it is not used again.
    if (!answer || answer.unknown || answer.status === 200) app.step = step;
    await this.#exchanged(answer, mfa_token, send);
  }

  async #verifyMessage(id, { kind, to }) {
    const { person } = this.record;
    const mfa_token = this.#login();
    const parameters = { mfa_token, challenge_type: "oob", authenticator_id: id };
    const headers = { "idempotency-key": randomUUID() };
    const ask = (isolate) => person.challenge(parameters, { headers, isolate });
    const answer = await this.#ask(`challenge ${kind}`, ask, { repeatable: true });
    if (answer?.status !== 200) {
      if (answer && ["association_required", "invalid_authenticator"].includes(answer.body.error))
        this.soak.differs(`${id} was acknowledged and cannot be challenged`, answer);
      return;
    }
    const [challenge] = await this.soak.rows("SELECT id FROM challenges WHERE authenticator_id = ?", id);
    if (!challenge) return this.soak.differs(`a challenge of ${id} was acknowledged and is not there`, answer);
    this.soak.promised.push({ owner: challenge.id, to });
    if (this.#chance(0.1)) return;
    const binding_code = await this.#received(challenge.id);
    if (!binding_code) return;
    const exchange = (code, isolate) =>
      person.exchange("oob", { mfa_token, oob_code: answer.body.oob_code, binding_code: code }, { isolate });
    if (this.#chance(0.15)) {
      const guess = (isolate) => exchange(other(binding_code), isolate);
      const wrong = await this.#ask("verify wrong", guess, { guess: "guess" });
      if (wrong?.status === 200) this.soak.differs(`${id} was verified by a wrong code`, wrong);
    }
    const send = (isolate) => exchange(binding_code, isolate);
    await this.#exchanged(await this.#ask(`verify ${kind}`, send, { guess: "guess" }), mfa_token, send);
  }

  async #recover() {
    const { person, recovery } = this.record;
    const mfa_token = this.#login();
    const send = (isolate) => person.exchange("recovery", { mfa_token, recovery_code: recovery.code }, { isolate });
    const answer = await this.#ask("recover", send, { guess: "recovery" });
    if (answer?.body.recovery_code) {
      this.record.recovery = { code: answer.body.recovery_code, dead: recovery.code };
      this.record.spent.push({ mfa_token, send, until: this.#endOf(mfa_token) });
    } else if (answer?.unknown && answer.body.error_description === "mfa_token has already been used") {
      // It was used, and every answer that had the next one is lost. Until the next reset of the authenticators the
      // person is without one.
      this.record.recovery = { code: null, dead: recovery.code };
      this.soak.count("recovery code lost with its answers");
    } else if (!answer || (answer.unknown && answer.status === 401)) {
      this.record.recovery = { code: null, either: recovery.code };
    } else if (answer.body.error_description === "MFA Authorization rejected.") {
      this.soak.differs("a recovery code was acknowledged and is refused", answer);
    }
  }

  /** A login that has bought tokens buys no more. */
  async #spendAgain() {
    const { mfa_token, send, until } = this.#one(this.record.spent);
    if (until - LIFETIME < this.soak.now()) return;
    const answer = await this.#ask("spend again", send);
    // Or the key that signed it is too new for this isolate.
    const expected = ["mfa_token has already been used", "oob_code is expired", "Malformed mfa_token"];
    if (answer && answer.status < 500 && !expected.includes(answer.body.error_description))
      this.soak.differs(`a spent login is not refused as spent (${mfa_token.length} characters)`, answer);
  }

  async #list() {
    const { active, pending } = this.record;
    const listed = await this.#listed();
    if (!listed) return;
    const known = [...active.keys()].sort();
    if (listed.active.join() !== known.join()) this.soak.differs(`active are ${listed.active}, acknowledged ${known}`, {});
    const strange = listed.pending.filter((id) => !pending.has(id));
    if (strange.length > 0) this.soak.differs(`pending are ${strange}, which nobody has begun or which are void`, {});
  }

  // --- What it knows ---

  /** Whether an exchange has gone through, and keeps its login as spent if it has. */
  async #exchanged(answer, mfa_token, send, look = () => false) {
    const said = answer?.body.error_description;
    const bought = answer?.status === 200 || answer?.body.error === "mfa_required";
    const lost = answer?.unknown && said === "mfa_token has already been used";
    if (answer && !answer.unknown && said === "mfa_token has already been used")
      this.soak.differs("a fresh login is told to be spent", answer);
    const looked = !bought && !lost && (!answer || (answer.unknown && answer.status === 401)) && (await look());
    if (bought || lost) this.record.spent.push({ mfa_token, send, until: this.#endOf(mfa_token) });
    return bought || lost || looked;
  }

  async #isActive(id) {
    return (await this.#listed())?.active.includes(id);
  }

  /** The ids of active and of pending authenticators, as the API has them. */
  async #listed() {
    const { person } = this.record;
    const answer = await this.#ask("list", (isolate) => person.list({ token: this.#login(), isolate }));
    if (answer?.status !== 200) return null;
    const ids = (wanted) =>
      answer.body
        .filter(({ active, authenticator_type }) => active === wanted && authenticator_type !== "recovery-code")
        // A number is shown twice, by each of its channels.
        .map(({ id }) => id.replace(/^voice\|/, "sms|"));
    return { active: [...new Set(ids(true))].sort(), pending: [...new Set(ids(false))] };
  }

  /** The code that was sent for an enrollment or challenge, or null if it does not come in time. */
  async #received(owner) {
    const [delivery] = await this.soak.rows("SELECT id FROM deliveries WHERE owner = ?", owner);
    const deadline = performance.now() + PATIENCE;
    while (!this.soak.over && performance.now() < deadline) {
      const message = this.soak.stage.webhook.accepted.find(({ id }) => id === delivery?.id);
      if (message) return message.code;
      await pause(20);
    }
    return null;
  }

  /**
   * Sends a request until an answer says what has become of it. The answer is `unknown` if one before it was lost or
   * said that the service is unavailable, so that what was asked for may have been done by then.
   *
   * @param {{ guess?: string, repeatable?: boolean }} [options] the budget that it is charged to; whether it has an
   *   Idempotency-Key, so that all its answers are equal
   */
  async #ask(what, send, { guess, repeatable = false } = {}) {
    let unknown = false;
    let hidden;
    let last;
    for (let attempt = 0; attempt < 200; attempt += 1) {
      await this.soak.up();
      const from = this.soak.now();
      const sent = [send(this.#chance(0.5) ? 1 : 0)];
      // Impatient: the same request a second time, while the first is under way.
      if (repeatable && this.#chance(0.1)) sent.push(send(this.#chance(0.5) ? 1 : 0));
      const answers = await Promise.all(sent.map((each) => this.#read(what, each)));
      for (const answer of answers) {
        if (guess) this.record.guesses.push({ budget: guess, from, to: this.soak.now(), ...charged(answer) });
        if (repeatable && answer?.status === 200) {
          hidden ??= JSON.stringify(answer.body);
          const same = JSON.stringify(answer.body) === hidden;
          if (!same) this.soak.differs(`${what}: a repeated answer is another`, answer);
        }
      }
      const answer = answers.find((each) => each?.status === 200) ?? answers[0];
      last = answer;
      // For want of its issuer's new key the token may not be judged yet, which says nothing about what came before.
      const said = answer?.body.error_description ?? "";
      const unjudged = unknown && /^(Malformed mfa_token|The mfa_token provided is invalid)/.test(said);
      if (answer && answer.status !== 503 && !unjudged && !this.#chance(0.05)) {
        this.soak.count(unknown ? "known at last" : "known at once");
        return { ...answer, unknown };
      }
      unknown = true;
      await pause(20 + this.random() * 200);
    }
    this.soak.differs(`${what} was asked for 200 times in vain`, last ?? { what: "no answer" });
    return null;
  }

  /** The answer, or null if the connection broke. */
  async #read(what, sending) {
    try {
      const response = await sending;
      const text = await response.text();
      const answer = { what, status: response.status, body: text === "" ? {} : JSON.parse(text) };
      const broken = answer.status >= 500 && answer.body.error_description !== UNAVAILABLE;
      if (broken) this.soak.differs(`${what}: neither done nor told to be unavailable`, answer);
      return answer;
    } catch (error) {
      if (error.message.includes("openapi.yaml")) this.soak.differs(error.message, {});
      return null;
    }
  }

  #login() {
    return this.record.person.mfaToken({ exp: this.#end() });
  }

  #end() {
    return this.soak.now() + LOGIN_SECONDS;
  }

  #endOf(token) {
    return JSON.parse(Buffer.from(token.split(".")[1], "base64url")).exp;
  }

  #step() {
    return Math.floor(this.soak.now() / STEP_SECONDS);
  }

  #independent() {
    return [...this.record.active.values()].some(({ kind }) => kind !== "email");
  }

  #active(kind) {
    return [...this.record.active].filter(([, authenticator]) => authenticator.kind === kind);
  }

  #chance(share) {
    return this.random() < share;
  }

  #one(list) {
    return list[Math.floor(this.random() * list.length)];
  }
}

/** Whether a guess was charged, as far as the answer says. */
function charged(answer) {
  const said = answer?.body.error_description ?? "";
  const certainly = /^(Invalid (otp|binding)_code|MFA Authorization rejected)/.test(said);
  const never = answer && (answer.status === 200 || ["mfa_required", "too_many_requests"].includes(answer.body.error));
  return { certainly, perhaps: !never };
}

const other = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
