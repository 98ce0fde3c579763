/**
 * An account at Cloudflare, as far as `npm run deploy`, `npm run keys` and `npm run clients -- --remote` get to see it through wrangler:
 * databases (SQLite), namespaces, queues, and one Worker with its secrets and variables. It listens on loopback.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const FORBIDDEN = { status: 403, errors: [{ code: 10000, message: "Authentication error" }] };
const VERSION = "11111111-2222-3333-4444-555555555555";

/** Starts it; `env` is what makes wrangler talk to it. `account.whileDeploying`, if set, runs before a
 * deployment is done, and `account.whileQuerying` before a database is asked, with the SQL; what they return is answered
 * instead. What `account.refused` matches is refused as to a token without the permission. */
export async function startCloudflare() {
  const account = { databases: [], namespaces: [], queues: [], worker: undefined, requests: [] };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url, "http://cloudflare");
    account.requests.push(`${request.method} ${request.url}`);
    const body = Buffer.concat(chunks);
    const path = url.pathname.replace(`/client/v4/accounts/${ACCOUNT}`, "");
    const what = `${request.method} ${path}`;
    let refusal = account.refused?.test(what) ? FORBIDDEN : undefined;
    if (/^PUT .*\/scripts\/[^/]+$/.test(what)) refusal = await account.whileDeploying?.();
    if (/^POST .*\/query$/.test(what)) refusal = await account.whileQuerying?.(JSON.parse(body).sql);
    const { status = 200, result = null, errors = [] } = refusal ?? answer(account, what, url, body);
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(
      JSON.stringify({
        success: errors.length === 0,
        errors,
        messages: [],
        result,
        result_info: { page: 1, per_page: 100, total_pages: 1, count: 1, total_count: 1 },
      }),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const env = {
    CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${server.address().port}/client/v4`,
    CLOUDFLARE_API_TOKEN: "test",
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
  };
  const stop = () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections()));
  return { account, env, stop };
}

function answer(account, what, url, body) {
  const json = () => JSON.parse(body);
  const named = (name) => account.databases.find((database) => database.uuid === name || database.name === name);
  const routes = [
    [/^GET \/d1\/database$/, () => account.databases.map(({ uuid, name }) => ({ uuid, name }))],
    [
      /^POST \/d1\/database$/,
      () => added(account.databases, { uuid: randomUUID(), name: json().name, sqlite: new DatabaseSync(":memory:") }),
    ],
    [/^GET \/d1\/database\/([^/]+)$/, (name) => named(name)],
    [/^POST \/d1\/database\/([^/]+)\/query$/, (name) => [query(named(name).sqlite, json())]],
    [/^GET \/storage\/kv\/namespaces$/, () => account.namespaces],
    [
      /^POST \/storage\/kv\/namespaces$/,
      () => added(account.namespaces, { id: randomUUID().replaceAll("-", ""), title: json().title }),
    ],
    [
      /^GET \/queues$/,
      () =>
        account.queues
          .filter(({ queue_name: name }) => [null, name].includes(url.searchParams.get("name")))
          .map((queue) => ({ ...queue, consumers_total_count: queue.consumers.length })),
    ],
    [
      /^POST \/queues$/,
      () => added(account.queues, { queue_id: randomUUID(), queue_name: json().queue_name, producers: [], consumers: [] }),
    ],
    [
      /^GET \/workers\/scripts\/([^/]+)\/secrets$/,
      (name) =>
        workerOf(account, name, ({ secrets }) => Object.keys(secrets).map((each) => ({ name: each, type: "secret_text" }))),
    ],
    [
      /^DELETE \/workers\/scripts\/[^/]+\/secrets\/([^/]+)$/,
      (name) => (name in account.worker.secrets ? (delete account.worker.secrets[name], {}) : undefined),
    ],
    [
      /^GET \/workers\/scripts\/([^/]+)\/deployments$/,
      (name) => workerOf(account, name, () => ({ deployments: [{ versions: [{ version_id: VERSION, percentage: 100 }] }] })),
    ],
    [
      new RegExp(`^GET /workers/scripts/([^/]+)/versions/${VERSION}$`),
      (name) => workerOf(account, name, ({ bindings }) => ({ id: VERSION, resources: { bindings: bindings.map(shown) } })),
    ],
    [/^PUT \/workers\/scripts\/([^/]+)$/, (name) => deployed(account, name, body)],
    [/^GET \/workers\/workers\/[^/]+$/, () => ({ subdomain: { enabled: false, previews_enabled: false } })],
    [/^POST \/workers\/scripts\/[^/]+\/subdomain$/, () => ({ enabled: false, previews_enabled: false })],
    [/^PUT \/workers\/scripts\/[^/]+\/schedules$/, () => ((account.worker.schedules = json()), {})],
    [
      /^POST \/workers\/scripts\/[^/]+\/domains\/changeset$/,
      () => ({ added: json(), removed: [], updated: [], conflicting: [] }),
    ],
    [/^PUT \/workers\/scripts\/[^/]+\/domains\/records$/, () => ((account.worker.domains = json()), {})],
    [/^POST \/queues\/[^/]+\/consumers$/, () => ((account.worker.consumers ??= []).push(json()), {})],
    // Nothing to upload: the assets are taken to be there.
    [/^POST \/workers\/scripts\/([^/]+)\/assets-upload-session$/, () => ({ jwt: "assets", buckets: [] })],
  ];
  for (const [pattern, handle] of routes) {
    const match = pattern.exec(what);
    const result = match && handle(...match.slice(1));
    // Some lists are read until a page is empty.
    const furtherPage = Array.isArray(result) && Number(url.searchParams.get("page") ?? 1) > 1;
    if (result) return { result: furtherPage ? [] : result };
  }
  return { status: 404, errors: [{ code: 10007, message: `nothing at ${what}` }] };
}

function workerOf({ worker }, name, answer) {
  return worker?.name === name ? answer(worker) : undefined;
}

// Nobody gets to read a secret.
function shown({ type, name, text, ...rest }) {
  return type === "secret_text" ? { type, name } : { type, name, text, ...rest };
}

// Secrets that a deployment does not name stay as they are.
function deployed(account, name, body) {
  const { bindings } = JSON.parse(/name="metadata"\r\n\r\n(.*)\r\n/.exec(body)[1]);
  const secrets = Object.fromEntries(
    bindings.filter(({ type }) => type === "secret_text").map((binding) => [binding.name, binding.text]),
  );
  account.worker = { name, bindings, secrets: { ...account.worker?.secrets, ...secrets } };
  return { id: name, deployment_id: randomUUID(), startup_time_ms: 5 };
}

function added(list, entry) {
  list.push(entry);
  return entry;
}

// A query of several statements: all but the last are run for their effect.
function query(sqlite, { sql, params = [] }) {
  const statements = sql.split(/;\s*(?:\n|$)/).filter((part) => part.replaceAll(/--[^\n]*/g, "").trim() !== "");
  const results = statements.map((statement) => sqlite.prepare(statement).all(...params)).at(-1) ?? [];
  return { results, success: true, meta: { duration: 0, changes: 0, rows_read: 0, rows_written: 0 } };
}
