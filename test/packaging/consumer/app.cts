// The same packages, seen by a CommonJS module.
import client = require('@semel/client');
import contract = require('@semel/contract');
import server = require('@semel/server');
import adapter = require('@semel/server/trpc');
import postgres = require('@semel/store-postgres');

const store = postgres.createPostgresStore({ connection: 'postgres://localhost/app' });
const semel: server.Semel<import('pg').ClientBase> = server.createSemel({ store });
const problem: contract.IdempotencyProblem['code'] = 'key_reused';
export = [adapter.internalIdempotencyContext('k'), client.createSemelClient().journal, semel, problem];
