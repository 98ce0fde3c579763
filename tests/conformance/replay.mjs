/**
 * Sends the requests that an SDK sends, from the file of that SDK. A file has the request of each call in every form that
 * the SDK has for it; {{…}} stands for what an application gives it or what came back before.
 */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { signed, signingPair } from "../support/jwt.mjs";
import { ISSUER } from "../support/worker.mjs";

const FOLDER = new URL("sdk-requests/", import.meta.url);
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CREDENTIALS = "{{credentials}}";
const KEY = signingPair("RS256", "app-1");

/** The page that an SDK for browsers runs in. */
export const ORIGIN = "https://app.example.com";

/** What each file says, under its name without the ending. */
export const recordings = Object.fromEntries(
  readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"))]),
);

/** How a client of the SDK is registered: `authentication` is one of the recording's `clients`. */
export const registration = (authentication) => ({
  authentication,
  origins: [ORIGIN],
  ...(authentication === "private_key_jwt" && { jwks: { keys: [KEY.jwk] } }),
});

export class Replay {
  /**
   * @param {import("../support/worker.mjs").World} world
   * @param {object} recording
   * @param {{ id: string, secret?: string, authentication: string }} client
   */
  constructor(world, recording, client) {
    Object.assign(this, { world, recording, client });
  }

  /** The forms of a call, none if the SDK does not offer it. */
  forms(call) {
    return this.recording.requests[call] ?? [];
  }

  /** Sends one form of a call. */
  send({ method, path, headers, json, form, end = "" }, values = {}) {
    const known = { ...this.#constants(), ...values };
    const given = Object.entries({ "Auth0-Client": this.#telemetry(), ...headers });
    const filled = given.map(([name, value]) => [name, fill(value, known)]);
    const body = json
      ? `${JSON.stringify(this.#filled(json, known))}${end}`
      : form && String(new URLSearchParams(this.#filled(form, known)));
    return this.world.fetch(fill(path, known), { method, headers: Object.fromEntries(filled), ...(body && { body }) });
  }

  /** What the client authenticates with, as parameters. */
  credentials() {
    if (this.client.authentication === "none") return {};
    if (this.client.authentication === "post") return { client_secret: this.client.secret };
    const { header, claims } = this.recording.assertion;
    const filled = fill(claims, this.#constants());
    return {
      client_assertion: signed({ ...header, kid: KEY.kid }, filled, KEY.privateKey),
      client_assertion_type: ASSERTION_TYPE,
    };
  }

  #filled(parameters, known) {
    const entries = Object.entries(parameters).flatMap(([name, value]) =>
      name === CREDENTIALS ? Object.entries(this.credentials()) : [[name, fill(value, known)]],
    );
    return Object.fromEntries(entries);
  }

  #constants() {
    const now = this.world.now();
    return {
      client_id: this.client.id,
      issuer: ISSUER,
      origin: ORIGIN,
      now,
      "now text": String(now),
      uuid: randomUUID(),
    };
  }

  #telemetry() {
    const { encoding, value } = this.recording.telemetry;
    const bytes = Buffer.from(JSON.stringify(value));
    if (encoding === "base64url padded") return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
    return bytes.toString(encoding);
  }
}

const PLACE = /\{\{([^}]+)\}\}/g;

/** Puts values in their places, everywhere in `value`. A text that is one place of a number becomes that number. */
function fill(value, known) {
  if (Array.isArray(value)) return value.map((each) => fill(each, known));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each, known)]));
  }
  if (typeof value !== "string") return value;
  const [, whole] = /^\{\{([^}]+)\}\}$/.exec(value) ?? [];
  return whole ? look(whole, known) : value.replaceAll(PLACE, (_, place) => look(place, known));
}

function look(place, known) {
  const [, name, plus] = /^(now)\+(\d+)$/.exec(place) ?? [null, place, "0"];
  if (known[name] === undefined) throw new Error(`nothing is known for {{${place}}}`);
  return typeof known[name] === "number" ? known[name] + Number(plus) : known[name];
}
