import { fingerprint, parseKeyHeader } from '@semel/contract/v1/pure';
import { digest, headerLines, RIGHT, type Rules } from './little-rules.ts';

/** A server with one mistake that somebody has made, and the cases that it breaks. Not part of the package. */
export interface WrongServer {
  readonly mistake: string;
  /** Ids of cases; each of them must fail. */
  readonly caughtBy: readonly string[];
  readonly rules: Partial<Rules>;
}

/** Long enough for requests that were sent together to arrive, also where the machine is busy. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 100));

/** Mistakes that were found in published libraries, and a few that are easily made. */
export const wrongServers: readonly WrongServer[] = [
  {
    mistake: 'reads first and claims later',
    caughtBy: ['S37', 'S29', 'S34', 'S38', 'N10-race'],
    rules: { beforeClaim: turn },
  },
  {
    mistake: 'shares keys between principals',
    caughtBy: ['N10', 'N10-mismatch', 'N10-race'],
    rules: { identity: ({ path, key }) => JSON.stringify([path, key]) },
  },
  {
    mistake: 'shares keys between routes and leaves the route out of the fingerprint',
    caughtBy: ['S55'],
    rules: {
      identity: ({ principal, key }) => JSON.stringify([principal, key]),
      fingerprint: (arrived) => RIGHT.fingerprint({ ...arrived, path: '' }),
    },
  },
  {
    mistake: 'answers another payload with the first result',
    caughtBy: ['S44', 'S34', 'S47', 'N7', 'N15', 'N29', 'S49'],
    rules: { refusesOthers: false },
  },
  {
    mistake: 'compares the texts of payloads',
    caughtBy: ['S46', 'N14-alike-1', 'N14-alike-2', 'N14-alike-3'],
    rules: {
      fingerprint: ({ path, query, bytes }) => digest(JSON.stringify([path, query, bytes.toString()])),
    },
  },
  {
    mistake: 'compares what JSON.parse makes of payloads',
    caughtBy: ['N14-differs-10'],
    rules: {
      fingerprint: ({ path, query, type, bytes, ...rest }) =>
        type === 'application/json'
          ? fingerprint(path, [query, JSON.parse(bytes.toString())])
          : RIGHT.fingerprint({ path, query, type, bytes, ...rest }),
    },
  },
  {
    mistake: 'leaves the query string out of the fingerprint',
    caughtBy: ['N11-query'],
    rules: { fingerprint: (arrived) => RIGHT.fingerprint({ ...arrived, query: '' }) },
  },
  {
    mistake: 'leaves bodies that are no JSON out of the fingerprint',
    caughtBy: ['S51', 'S63'],
    rules: {
      fingerprint: (arrived) =>
        arrived.type.startsWith('application/json') ? RIGHT.fingerprint(arrived) : arrived.path,
    },
  },
  {
    mistake: 'replays every header, Set-Cookie too',
    caughtBy: ['S128'],
    rules: { replay: (kept) => kept },
  },
  {
    mistake: 'takes the header as it stands for the key',
    caughtBy: ['N13', 'N13-parameters', 'N13-malformed-1', 'N13-malformed-7', 'S8', 'N13-non-ascii', 'W1'],
    rules: {
      readKey: (req) => {
        const value = req.headers['idempotency-key'];
        return value ? { key: String(value) } : { problem: 'key_missing' };
      },
    },
  },
  {
    mistake: 'takes the first of two key lines',
    caughtBy: ['S8'],
    rules: {
      readKey: (req) => {
        const [line] = headerLines(req, 'idempotency-key');
        const parsed = line === undefined ? undefined : parseKeyHeader(line);
        if (parsed === undefined) return { problem: 'key_missing' };
        return parsed.ok ? parsed.key : { problem: 'key_malformed' };
      },
    },
  },
  {
    mistake: 'takes a malformed key for none where a key is optional',
    caughtBy: ['W1'],
    rules: {
      readKey: (req) => {
        const read = RIGHT.readKey(req);
        return 'problem' in read ? { problem: 'key_missing' } : read;
      },
    },
  },
  {
    mistake: 'makes a key of its own for a request without one',
    caughtBy: ['S1', 'S3', 'S9', 'W5'],
    rules: {
      readKey: (req) => {
        const read = RIGHT.readKey(req);
        return 'problem' in read ? { key: crypto.randomUUID() } : read;
      },
    },
  },
  {
    mistake: 'does not tell the letters of keys apart by their case',
    caughtBy: ['N13-case'],
    rules: {
      identity: (arrived) => RIGHT.identity({ ...arrived, key: arrived.key.toLowerCase() }),
    },
  },
  {
    mistake: 'keeps failures',
    caughtBy: ['S65'],
    rules: { keep: (answer) => answer },
  },
  {
    mistake: 'keeps successes alone, and forgets refusals and redirects',
    caughtBy: ['S69', 'S69-mismatch', 'N16'],
    rules: { keep: (answer) => (answer.status < 300 ? answer : undefined) },
  },
  {
    mistake: 'claims before it validates',
    caughtBy: ['W7', 'W22'],
    rules: { validatesFirst: false, fingerprint: ({ path }) => path },
  },
  {
    mistake: 'lets go of a handler whose client hangs up, and keeps its key',
    caughtBy: ['N1', 'N1-early'],
    rules: { survivesHangUp: false },
  },
  {
    mistake: 'runs again after an empty answer',
    caughtBy: ['N8-empty', 'N8-no-content', 'N16'],
    rules: {
      replay: (kept) => (kept.body.length === 0 ? undefined : RIGHT.replay(kept)),
    },
  },
  {
    mistake: 'runs again after an answer that is false to JavaScript',
    caughtBy: ['N8-null', 'N8-zero', 'N8-false', 'N8-empty-string'],
    rules: {
      replay: (kept) =>
        ['null', '0', 'false', '""'].includes(kept.body.toString()) ? undefined : RIGHT.replay(kept),
    },
  },
  {
    mistake: 'keeps answers as text',
    caughtBy: ['N9'],
    rules: { keep: (answer) => RIGHT.keep({ ...answer, body: Buffer.from(answer.body.toString('utf8')) }) },
  },
  {
    mistake: 'keeps the body alone, and replays everything as 200',
    caughtBy: ['S20', 'N8-no-content', 'N16', 'S69'],
    rules: { replay: (kept) => ({ ...kept, status: 200 }) },
  },
  {
    mistake: 'puts a refusal in the place of the record that caused it',
    caughtBy: ['N7', 'N7-running'],
    rules: { keepsRefusals: true },
  },
  {
    mistake: 'runs unprotected while its store is away',
    caughtBy: ['N6'],
    rules: { failsClosed: false },
  },
  {
    mistake: 'does not keep what was too large, and runs again',
    caughtBy: ['N25'],
    rules: { keep: (answer) => (answer.body.length > 50_000 ? undefined : RIGHT.keep(answer)) },
  },
  {
    mistake: 'believes a client that says its request was answered',
    caughtBy: ['N28'],
    rules: { isHit: (req) => req.headers['x-hit'] === 'true' },
  },
  {
    mistake: 'lets caches keep answers',
    caughtBy: ['S25', 'W15'],
    rules: { cacheControl: 'public, max-age=60' },
  },
  {
    mistake: 'tells everybody of every operation',
    caughtBy: ['W13', 'W34'],
    rules: { statusScoped: false },
  },
  {
    mistake: 'queues a repetition of queued work once more',
    caughtBy: ['W31'],
    rules: { queuedAgain: 'runs' },
  },
  {
    mistake: 'answers a repetition of queued work with a conflict',
    caughtBy: ['W31'],
    rules: { queuedAgain: 'conflict' },
  },
  {
    mistake: 'says of queued work for ever that it was accepted',
    caughtBy: ['W31', 'W32', 'W36'],
    rules: { queueEnds: false },
  },
  {
    mistake: 'does not say where to ask about queued work',
    caughtBy: ['W30'],
    rules: { saysWhere: false },
  },
  {
    mistake: 'gives up queued work that failed for now',
    caughtBy: ['W37'],
    rules: { retriesQueued: false },
  },
  {
    mistake: 'refuses the same payload under another key',
    caughtBy: ['S61', 'N12'],
    rules: { identity: (arrived) => RIGHT.fingerprint(arrived) },
  },
];
