/** Codes that challenges send: their limits, and what the token endpoint says of them. */
import { refused } from "./answers.mjs";

export const TOO_MANY_CODES = "Too many failed codes. Wait for some minutes before retrying.";
export const SECONDS_A_GUESS = 360;
export const GUESSES = 10;
export const TRIES = 5;

/** The code of a challenge at the token endpoint, by the person it was sent to. */
export const redeem = (person, parameters, options) => person.exchange("oob", parameters, options);

/** The same with another code. */
export const wrong = (parameters) => {
  const binding_code = String((Number(parameters.binding_code) + 1) % 1_000_000).padStart(6, "0");
  return { ...parameters, binding_code };
};

/** Checks of the answer: the code is wrong. */
export const invalid = (response) => refused(response, 403, "invalid_grant", "Invalid binding_code.");

/** The code was good once. */
export const dead = (response) => refused(response, 401, "expired_token", "oob_code is expired");

/** The login has been exchanged. */
export const spent = (response) => refused(response, 403, "invalid_grant", "mfa_token has already been used");
