import type { Owner, World } from './engine.ts';
import { passedBy } from './gateway.ts';
import type { Profile } from './profile.ts';
import type { Order, Shop } from './shop.ts';
import { streamed } from './streamed.ts';

/** What a page knows of an answer. */
export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: Headers;
  /** Where answers are read as they come. */
  readonly body?: ReadableStream<Uint8Array>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  clone(): Answer;
}

/** How bad the way to the server is in this run. Probabilities of one request. */
export interface Road {
  readonly lose: number;
  readonly loseAnswer: number;
  readonly cut: number;
  readonly late: number;
  readonly slow: number;
  /** A browser sends a request again, by itself, when a kept-alive connection was closed under it. */
  readonly resend: number;
  /** Somebody in front of the server answers in its place: before it was asked, or after. */
  readonly proxy: number;
  /** What stands in front of the server knows nothing of the contract, and lets none of it through. */
  readonly gateway: boolean;
  offline: boolean;
}

export function createRoad({ random }: World, profile: Profile): Road {
  const some = (most: number): number => (random.chance(0.45) ? random.between(0, most) : 0);
  return {
    lose: some(0.3),
    loseAnswer: some(0.4),
    cut: some(0.2),
    late: some(0.2),
    slow: some(0.3),
    resend: some(0.3),
    proxy: some(0.3),
    gateway: profile === 'fetch' && random.chance(0.4),
    offline: false,
  };
}

export interface SentRequest {
  readonly keys: readonly string[];
  /** As far as they are told, by their place. */
  readonly ages: readonly (number | undefined)[];
  readonly path: string;
  readonly user: string;
  readonly tab: Owner;
  /** By their place in the request. */
  readonly orders: readonly Partial<Order>[];
}

/** Who looks at what a tab sends. */
export interface RoadWatch {
  sent(request: SentRequest): void;
  /** The tab has its answer, or has given it up. */
  over(request: SentRequest): void;
}

export const made = (
  status: number,
  body: string,
  headers: Headers = new Headers(),
  broken = false,
): Answer => {
  const answer: Answer = {
    ok: status < 400,
    status,
    headers,
    async text() {
      // Bytes are missing: that is how a browser says so.
      if (broken) throw new TypeError('network error');
      return body;
    },
    json: async () => JSON.parse(await answer.text()),
    clone: () => answer,
  };
  return answer;
};

const PROXIES = [
  () => made(502, '<html>Bad Gateway</html>', new Headers({ 'content-type': 'text/html' })),
  () => made(504, '<html>Gateway Timeout</html>', new Headers({ 'content-type': 'text/html' })),
  () => made(503, 'busy', new Headers({ 'retry-after': '0' })),
  () => made(503, 'maintenance', new Headers({ 'retry-after': '1' })),
  () => made(500, ''),
  () => made(429, '{"message":"slow down"}', new Headers({ 'retry-after': '1' })),
];

interface Init {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** The `fetch` of one tab: everything that can happen between it and the server. */
export function fetchOf(world: World, road: Road, shop: Shop, tab: Owner, watch: RoadWatch) {
  const { random } = world;
  let count = 0;
  return (url: string, init: Init = {}): Promise<Answer> => {
    const headers = new Headers(init.headers);
    const { method = 'GET', body } = init;
    // A question about a key sends nothing.
    const text =
      method === 'GET' ? '' : (headers.get('idempotency-key') ?? headers.get('idempotency-keys') ?? '');
    const path = new URL(url).pathname.slice(1);
    const sent = JSON.parse(body ?? '{}') as Record<string, Order>;
    const isStream = headers.get('trpc-accept') === 'application/jsonl';
    const members = [...text.matchAll(/"([^"]+)"(?:;age=(\d+))?/g)];
    const request: SentRequest = {
      keys: members.map(([, key]) => key as string),
      ages: members.map(([, , age]) => (age === undefined ? undefined : Number(age))),
      path,
      user: headers.get('authorization') ?? '',
      tab,
      orders: path.startsWith('v1/') ? [sent as Partial<Order>] : Object.values(sent),
    };
    const number = ++count;
    const label = () => `${tab.name} request ${number} ${request.path} ${text}`;
    const bad = (chance: number): boolean => world.faulty && random.chance(chance);
    const quick = () => random.between(0.5, 20);
    return new Promise((resolve, reject) => {
      let done = false;
      const end = (act: () => void) => {
        if (done) return;
        done = true;
        watch.over(request);
        act();
      };
      const fail = (ms: number, what: string) =>
        void world.after(ms, tab, () =>
          end(() => {
            world.log(() => `${label()}: ${what}`);
            reject(new TypeError('Failed to fetch'));
          }),
        );
      init.signal?.addEventListener('abort', () =>
        end(() => reject(new DOMException('This operation was aborted', 'AbortError'))),
      );
      world.log(() => `${label()} →`);
      watch.sent(request);
      const there = quick() + (bad(road.slow) ? random.between(50, 1_500) : 0);
      const arrives = (ms: number, then: (answer: Answer) => void) =>
        shop.receive(ms, { url, method, headers, body }, (reply) => {
          const { status, headers, body } = road.gateway ? passedBy(reply) : reply;
          then(made(status, body, headers));
        });
      const nobody = () => undefined;
      const hangs = random.chance(0.3);

      if (world.faulty && road.offline) return fail(random.between(0, 5), 'offline');
      if (bad(road.lose)) return hangs ? undefined : fail(there, 'lost');
      if (bad(road.late)) {
        if (!hangs) fail(there, 'cut off before it arrives');
        return arrives(there + random.between(1, 3_000), nobody);
      }
      if (bad(road.proxy)) {
        const answer = random.pick(PROXIES)();
        if (random.chance(0.5)) arrives(there, nobody);
        return void world.after(there + quick(), tab, () =>
          end(() => {
            world.log(() => `${label()}: ${answer.status} of a proxy`);
            resolve(answer);
          }),
        );
      }
      if (bad(road.loseAnswer)) {
        if (!hangs) fail(there + quick() + random.between(0, 400), 'answer lost');
        return arrives(there, nobody);
      }
      const cut = bad(road.cut);
      const deliver = (ms: number) =>
        arrives(ms, (answer) => {
          // The connection to a server that has died is reset.
          world.after(quick(), tab, () =>
            end(() => {
              world.log(() => `${label()}: ${answer.status}${cut ? ', cut' : ''}`);
              if (answer.status === 0) reject(new TypeError('Failed to fetch'));
              else if (isStream && answer.ok)
                void answer.text().then((lines) => resolve(streamed(world, tab, lines, cut, answer)));
              else resolve(cut ? made(answer.status, '', answer.headers, true) : answer);
            }),
          );
        });
      if (bad(road.resend)) {
        world.log(() => `${label()}: sent again by the browser`);
        arrives(there, nobody);
        return deliver(there + random.between(0, 600));
      }
      deliver(there);
    });
  };
}
