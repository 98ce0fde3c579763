/** Discovery: what clients choose by. */
import { expect, test } from "vitest";
import { GRANT } from "../support/person.mjs";
import { useStage } from "../support/stage.mjs";
import { EXCHANGE_GRANT } from "../support/token-exchange.mjs";
import { MULTI_FACTOR } from "./cast.mjs";

const stage = useStage();

const DISCOVERY = "/.well-known/openid-configuration";
const document = async (path) => (await stage.world.fetch(path)).json();

test("the discovery document says which grants and ways to authenticate there are", async () => {
  const body = await document(DISCOVERY);
  expect([...body.grant_types_supported].sort()).toEqual([...Object.values(GRANT), EXCHANGE_GRANT].sort());
  const methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"];
  expect([...body.token_endpoint_auth_methods_supported].sort()).toEqual(methods);
  const algorithms = ["ES256", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
  expect([...body.token_endpoint_auth_signing_alg_values_supported].sort()).toEqual(algorithms);
  expect([...body.dpop_signing_alg_values_supported].sort()).toEqual(algorithms);
});

test("the discovery document says which acr there is", async () => {
  expect((await document(DISCOVERY)).acr_values_supported).toContain(MULTI_FACTOR);
});

test("there is nothing at authorization_endpoint, which has to be named", async () => {
  const { authorization_endpoint } = await document(DISCOVERY);
  expect((await stage.world.fetch(authorization_endpoint)).status).toBe(404);
});
