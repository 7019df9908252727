// What a page or a service does with the client, in two lives of one process. Bundled, and run by each runtime:
//   <runtime> story.mjs <url> <directory> first|second
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { createSemelClient, type Journal, outcomeOf, resume } from '@semel/client';
import { fileJournal } from '@semel/client/file';
import { sqliteJournal } from '@semel/client/sqlite';
import { browserTabs } from '@semel/client/tabs';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import superjson from 'superjson';
import type { TestRouter } from '../fixtures/trpc-server.ts';

const [url = '', directory = '', life = 'first'] = process.argv.slice(2);
let requests = 0;
/** What happens to the next answer. */
let fate: 'arrives' | 'is lost' | 'kills the process' = 'arrives';

const send: typeof fetch = async (...request) => {
  requests++;
  const response = await fetch(...request);
  const what = fate;
  fate = 'arrives';
  if (what === 'is lost') throw new TypeError('the connection was lost');
  if (what === 'kills the process') tell();
  return response;
};

const told: Record<string, unknown> = {};
function tell(): never {
  process.stdout.write(`${JSON.stringify(told)}\n`);
  process.exit(0);
}

function open(journal: Journal) {
  const semel = createSemelClient({
    journal,
    scope: 'alice',
    tabs: browserTabs(),
    persistInput: () => true,
    // Where there are no Web Locks, a life that ended is noticed after that.
    retry: { baseMs: 1, attemptTimeoutMs: 1_500 },
  });
  const trpc = createTRPCClient<TestRouter>({
    links: [
      semel.link(),
      httpBatchLink({
        url,
        transformer: superjson,
        headers: semel.headers(() => ({ authorization: 'Bearer alice' })),
        fetch: semel.fetch(send),
        maxItems: 100,
      }),
    ],
  });
  return { semel, trpc };
}

const { semel, trpc } = open(fileJournal(`${directory}/journal`));
const pay = (cart: string) =>
  outcomeOf(() => trpc.atomic.mutate({ cart }, { context: { intent: semel.intent('pay', [cart]) } }));
const brief = ({ status, ...rest }: Awaited<ReturnType<typeof pay>>) => ({
  status,
  ...('replayed' in rest && { replayed: rest.replayed, data: rest.data }),
});

if (life === 'first') {
  fate = 'is lost';
  told.lostAnswer = brief(await pay('lost'));

  const [one, two] = await Promise.all([pay('double'), pay('double')]);
  told.doubleClick = [brief(one), one.key === two.key];

  requests = 0;
  await Promise.all(Array.from({ length: 10 }, (_, i) => trpc.atomic.mutate({ cart: `batch-${i}` })));
  told.requestsOfTen = requests;

  const other = open(sqliteJournal(new DatabaseSync(`${directory}/journal.db`)));
  told.sqlite = brief(
    await outcomeOf(() => other.trpc.atomic.mutate({ cart: 'sqlite' }, { context: { intent: 'sqlite' } })),
  );
  // What is done is struck out soon after its caller knows.
  while ((await semel.pending()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  fate = 'kills the process';
  await pay('left');
} else {
  told.pending = (await semel.pending()).map(({ state, intent }) => ({ state, intent }));
  told.resumed = (await resume(semel, trpc)).map(({ outcome }) => brief(outcome as never));
  told.again = brief(await pay('left'));
  told.left = await semel.pending();
  tell();
}
