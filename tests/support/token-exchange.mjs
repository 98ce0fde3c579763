/** Token exchange (RFC 8693) as a client asks for it. */

export const EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
export const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:";
/** The audience of the tokens that an issuer gives for its own APIs. */
export const SUBJECT_AUDIENCE = "https://app.example.com";

/** A token of the person's issuer for one of that issuer's own audiences. */
export function subjectTokenOf(person, audience, claims = {}) {
  return person.accessToken({ aud: audience, azp: undefined, scope: undefined, ...claims }, { typ: "JWT" });
}

/** `POST /oauth/token` as the person's client. A parameter that is undefined is left out. */
export function tokenExchange(world, person, parameters, options) {
  const body = {
    grant_type: EXCHANGE_GRANT,
    client_id: person.client.id,
    client_secret: person.client.secret,
    subject_token_type: `${TOKEN_TYPE}access_token`,
    ...parameters,
  };
  return world.post("/oauth/token", JSON.parse(JSON.stringify(body)), options);
}
