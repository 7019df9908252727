import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

// The real PgBouncer, in transaction mode, in front of the tests' Postgres. Not installed on the system: Debian's
// package and its libraries are unpacked into the cache of node_modules, as the tests' other services are.

export interface PgBouncer {
  readonly url: string;
  stop(): Promise<void>;
}

const cache = resolve(fileURLToPath(import.meta.url), '../../../../../node_modules/.cache/services');
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));
const which = (name: string): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].map((d) => join(d, name)).find(existsSync);

/** The reason as a string where it can't be had. */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer | string> {
  const program = which('pgbouncer') ?? unpacked();
  if (program === undefined) return 'no pgbouncer, and none can be unpacked without apt-get and dpkg-deb';
  const root = process.getuid?.() === 0;
  // It refuses to run as root: as root, run it as `nobody` of a user namespace.
  const namespace = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'];
  if (root && spawnSync('unshare', [...namespace.slice(1), 'true']).status !== 0) {
    return 'pgbouncer refuses to run as root, and there are no user namespaces';
  }

  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const listen = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'pgbouncer-'));
  const login = `user=${username || 'postgres'}${password === '' ? '' : ` password=${decodeURIComponent(password)}`}`;
  writeFileSync(
    join(dir, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${port || 5432} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
`,
  );
  const tie = which('setpriv') === undefined ? [] : ['setpriv', '--pdeathsig', 'SIGKILL', '--'];
  const tied = [...tie, ...(root ? namespace : []), program, join(dir, 'pgbouncer.ini')];
  const [command = program, ...args] = tied;
  const libraries = join(cache, 'pgbouncer/usr/lib');
  const paths = existsSync(libraries) ? readdirSync(libraries).map((d) => join(libraries, d)) : [];
  const child = spawn(command, args, {
    env: { ...process.env, LD_LIBRARY_PATH: paths.join(':') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => (log = (log + text).slice(-4000)));
  const exited = new Promise((r) => child.once('exit', r));
  child.once('error', (error) => (log += error.message));

  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  };
  for (let i = 0; i < 800 && child.exitCode === null && child.pid !== undefined; i++) {
    if (await answers(listen)) {
      return { url: `postgres://${username || 'postgres'}@127.0.0.1:${listen}${pathname}`, stop };
    }
    await pause(25);
  }
  await stop();
  return `pgbouncer did not start: ${log}`;
}

function unpacked(): string | undefined {
  const home = join(cache, 'pgbouncer');
  const program = join(home, 'usr/sbin/pgbouncer');
  if (existsSync(program)) return program;
  if (which('apt-get') === undefined || which('dpkg-deb') === undefined) return undefined;
  // Into a folder of its own first: two runs at once must not see half of it.
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, 'pgbouncer-'));
  const apt = join(making, 'apt');
  for (const folder of ['lists/partial', 'archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  const settings = [
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}`,
    `Dir::Cache::archives=${apt}/archives`,
  ];
  if (process.getuid?.() === 0) settings.push('APT::Sandbox::User=root');
  const options = ['-qq', ...settings.flatMap((setting) => ['-o', setting])];
  try {
    execFileSync('apt-get', [...options, 'update'], { stdio: 'pipe' });
    const depends = String(
      execFileSync('apt-cache', [...options, 'depends', 'pgbouncer'], { stdio: 'pipe' }),
    );
    const libraries = [...depends.matchAll(/Depends: (lib(?:event|c-ares)\S*)/g)].map(
      ([, name]) => name ?? '',
    );
    execFileSync('apt-get', [...options, 'download', 'pgbouncer', ...libraries], { cwd: apt, stdio: 'pipe' });
    for (const file of readdirSync(apt).filter((name) => name.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', join(apt, file), making]);
    }
    rmSync(apt, { recursive: true, force: true });
    if (!existsSync(program)) renameSync(making, home);
    return program;
  } catch {
    return undefined;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === 'object' ? done(address.port) : fail()));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
