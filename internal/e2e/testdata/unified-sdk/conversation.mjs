// Holds a conversation with Muster through Unified.to's own SDK, in which only the
// server's address is changed. Prints, as JSON, the connections that are left and
// the credential that each must have.
//
//	node conversation.mjs <version of the SDK> <address> <API key>
import assert from "node:assert/strict";

const [version, serverURL, jwt] = process.argv.slice(-3);
const { UnifiedTo } = await import(`unified-${version}`);
const { connection, integration } = new UnifiedTo({ serverURL, security: { jwt } });

const get = (id) => connection.getUnifiedConnection({ id });
const list = (query) => connection.listUnifiedConnections(query);
const ids = (connections) => connections.map((c) => c.id);
const env = `sdk ${version}`;

// Import credentials of five customers, with a name each, one second of which may be
// the same: the order is by creation all the same.
const made = [];
for (const [i, name] of ["Echo", "Delta", "Charlie", "Bravo", "Alpha"].entries()) {
  made.push(await connection.createUnifiedConnection({
    integrationType: i % 2 ? "hubspot" : "salesforce",
    integrationName: name,
    externalXref: `customer-${i % 2}`,
    environment: env,
    permissions: i === 0 ? [] : ["crm_contact_read", "hris_employee_read"],
    categories: i === 0 ? [] : i % 2 ? ["crm"] : ["hris", "crm"],
    auth: { name: `Account ${i}`, emails: [`owner-${i}@example.com`], accessToken: `canary-access-${i}`, clientId: "public", clientSecret: `canary-secret-${i}` },
  }));
}
const [echo, delta, charlie, bravo, alpha] = made;
assert.equal(new Set(ids(made)).size, 5);
assert.equal(echo.environment, env);
assert.equal(echo.isPaused ?? false, false);
assert.ok(echo.createdAt instanceof Date && echo.createdAt.getMilliseconds() === 0);
assert.deepEqual(echo.permissions, []);
assert.equal(delta.auth.name, "Account 1");
assert.equal(delta.auth.clientId, "public");
for (const c of made) assert.doesNotMatch(JSON.stringify(c), /canary/, "an answer shows a secret");

// One that says no environment is in Production.
const plain = await connection.createUnifiedConnection({ integrationType: "bamboohr", permissions: [], categories: [] });
assert.equal(plain.environment, "Production");

// Lists: every filter, and over pages.
assert.deepEqual(ids(await list({ env })), ids(made));
assert.ok(ids(await list({})).includes(plain.id));
assert.ok(!ids(await list({})).includes(echo.id));
assert.deepEqual(ids(await list({ env, sort: "name" })), ids([alpha, bravo, charlie, delta, echo]));
assert.deepEqual(ids(await list({ env, sort: "name", order: "desc" })), ids(made));
assert.deepEqual(ids(await list({ env, sort: "created_at", order: "desc" })), ids(made).reverse());
assert.deepEqual(ids(await list({ env, externalXref: "customer-1" })), ids([delta, bravo]));
assert.deepEqual(ids(await list({ env, categories: ["hris"] })), ids([charlie, alpha]));
assert.deepEqual(ids(await list({ env, categories: ["hris", "crm"] })), ids([delta, charlie, bravo, alpha]));
const pages = [];
for (let offset = 0; ; offset += 2) {
  const page = await list({ env, limit: 2, offset });
  pages.push(...page);
  if (page.length < 2) break;
}
assert.deepEqual(ids(pages), ids(made));
assert.deepEqual(await list({ env, updatedGte: "2999-01-01T00:00:00Z" }), []);
const since = echo.createdAt.toISOString().replace(".000Z", "Z");
assert.equal((await list({ env, updatedGte: since })).length, 5);
assert.equal((await list({ env, sort: "updated_at", order: "asc" })).length, 5);

// Read, change, put back: the credential stays, whatever the SDK knows of its pointer.
const read = await get(delta.id);
const renamed = await connection.updateUnifiedConnection({ id: delta.id, connection: { ...read, integrationName: "Renamed", auth: { name: "Account 1, renamed" } } });
assert.equal(renamed.integrationName, "Renamed");
assert.equal(renamed.auth.name, "Account 1, renamed");
assert.equal(renamed.auth.clientId, undefined, "PUT replaces the open members of auth");
assert.equal(renamed.authAwsArn, read.authAwsArn);
assert.deepEqual(renamed.createdAt, read.createdAt);
await connection.updateUnifiedConnection({ id: delta.id, connection: await get(delta.id) });

// A patch changes what it names. The SDK sends what its type requires, and
// "Production" for an environment that is not named.
const { integrationType, permissions, categories } = charlie;
const patched = await connection.patchUnifiedConnection({ id: charlie.id, connection: { integrationType, permissions, categories, environment: env, auth: { accessToken: "canary-access-new" } } });
assert.equal(patched.integrationName, "Charlie");
assert.equal(patched.auth.name, "Account 2");
const moved = await connection.patchUnifiedConnection({ id: bravo.id, connection: { integrationType: bravo.integrationType, permissions, categories } });
assert.equal(moved.environment, "Production");

// A new credential, whole.
await connection.updateUnifiedConnection({ id: alpha.id, connection: { ...(await get(alpha.id)), auth: { accessToken: "canary-access-whole" } } });

// The catalogue.
const known = await integration.listUnifiedIntegrations({});
assert.deepEqual(known.map((i) => [i.type, i.name, i.categories, i.isActive]), [["custom_file", "Custom file", ["hris"], true]]);
assert.deepEqual(await integration.listUnifiedIntegrations({ active: true, categories: ["hris", "crm"], env, limit: 1, offset: 0, summary: true, type: "custom_file", updatedGte: "2020-01-01T00:00:00Z" }), known);
assert.deepEqual(await integration.listUnifiedIntegrations({ categories: ["crm"] }), []);
assert.deepEqual(await integration.listUnifiedIntegrations({ updatedGte: "2999-01-01T00:00:00Z" }), []);

// Paused by Muster's own call, which the SDK does not have; the SDK reads it, and what
// it puts back resumes nothing.
const tell = (id, what) => fetch(`${serverURL}/unified/connection/${id}/${what}`, { method: "POST", headers: { authorization: jwt } });
assert.equal((await tell(delta.id, "pause")).status, 200);
const paused = await get(delta.id);
assert.equal(paused.isPaused, true);
assert.deepEqual([paused.lastHealthyAt, paused.lastUnhealthyAt, paused.lastUnhealthyCode], [undefined, undefined, undefined]);
assert.deepEqual((await list({ env })).filter((c) => c.isPaused).map((c) => c.id), [delta.id]);
const put = await connection.updateUnifiedConnection({ id: delta.id, connection: { ...paused, isPaused: false } });
assert.equal(put.isPaused, true);
assert.equal((await tell(delta.id, "resume")).status, 200);
assert.equal((await get(delta.id)).isPaused, false);

// Gone.
await connection.removeUnifiedConnection({ id: echo.id });
for (const request of [() => get(echo.id), () => connection.removeUnifiedConnection({ id: echo.id })]) {
  await assert.rejects(request, (e) => e.statusCode === 404 && JSON.parse(e.body).kind === "not_found");
}
await assert.rejects(() => connection.createUnifiedConnection({ integrationType: " ", permissions: [], categories: [] }), (e) => e.statusCode === 400);
await assert.rejects(() => new UnifiedTo({ serverURL, security: { jwt: "muster_nobodys" } }).connection.listUnifiedConnections({}), (e) => e.statusCode === 401);
assert.deepEqual(ids(await list({ env })), ids([delta, charlie, alpha]));

console.log(JSON.stringify({
  [delta.id]: { access_token: "canary-access-1", client_secret: "canary-secret-1" },
  [charlie.id]: { access_token: "canary-access-new", client_secret: "canary-secret-2" },
  [bravo.id]: { access_token: "canary-access-3", client_secret: "canary-secret-3" },
  [alpha.id]: { access_token: "canary-access-whole" },
  [plain.id]: null,
}));
