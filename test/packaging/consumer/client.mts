// The client's whole face, as its users write it: compiled with each TypeScript, never run.
import { DatabaseSync } from 'node:sqlite';
import {
  type Connectivity,
  createSemelClient,
  type Intent,
  IntentConflictError,
  type Journal,
  type JournalRecord,
  keyedFetch,
  memoryJournal,
  type Outcome,
  outcomeOf,
  type PendingOperation,
  type Resumed,
  resume,
  type SemelClient,
  SemelClientError,
  type SemelClientOptions,
  type SemelEvent,
  type Tabs,
} from '@semel/client';
import { fileJournal } from '@semel/client/file';
import { indexedDbJournal } from '@semel/client/indexeddb';
import { sqliteJournal } from '@semel/client/sqlite';
import { browserTabs } from '@semel/client/tabs';
import { webStorageJournal } from '@semel/client/web-storage';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Fails to compile unless both are the very same type. */
const same = <A, B>(equal: Equal<A, B>): void => void equal;

const t = initTRPC.create();
const router = t.router({ pay: t.procedure.mutation((): { id: string } => ({ id: '' })) });

// Every journal is a journal, and all options are optional.
export const journals: Journal[] = [
  memoryJournal(),
  webStorageJournal(),
  indexedDbJournal(),
  fileJournal('.'),
  sqliteJournal(new DatabaseSync(':memory:')),
];
const connectivity: Connectivity = { online: () => true, onceOnline: () => () => undefined };
const tabs: Tabs = browserTabs();
const options: SemelClientOptions = {
  journal: journals[0] as Journal,
  scope: () => undefined,
  deployment: 'eu',
  retentionMs: 1,
  persistInput: (path) => path === 'pay',
  durability: 'required',
  tabs,
  connectivity,
  retry: { maxAttempts: 2 },
  onEvent: (event: SemelEvent) => {
    if (event.type === 'attempt') same<number | undefined, typeof event.ageMs>(true);
  },
};
const semel: SemelClient = createSemelClient(options);
createSemelClient();
// @ts-expect-error an option that there isn't
createSemelClient({ retries: 3 });
// @ts-expect-error neither
createSemelClient({ durability: 'sometimes' });

const trpc = createTRPCClient<typeof router>({
  links: [semel.link(), httpBatchLink({ url: '/', headers: semel.headers(), fetch: semel.fetch() })],
});

const pay: Intent = semel.intent('checkout', ['cart-7', 1, true]);
// @ts-expect-error a part that isn't there yet would make two carts one
semel.intent('checkout', [undefined]);
const outcome = await outcomeOf(() => trpc.pay.mutate(undefined, { context: { intent: pay } }));
type Paid = typeof outcome;
same<Paid['status'], 'completed' | 'accepted' | 'in_flight' | 'unknown' | 'rejected'>(true);
if (outcome.status === 'completed') same<typeof outcome.data, { id: string }>(true);
else if (outcome.status === 'accepted') same<Awaited<ReturnType<typeof outcome.wait>>, Paid>(true);
else if (outcome.status === 'unknown') same<string, typeof outcome.key>(true);
// @ts-expect-error only what is completed has data
else void outcome.data;

same<Awaited<ReturnType<Intent['records']>>, readonly JournalRecord[]>(true);
await pay.next({ force: true });
same<Awaited<ReturnType<SemelClient['pending']>>, PendingOperation[]>(true);
const resumed: Resumed[] = await resume(semel, trpc, { concurrency: 2 });
for (const { record, outcome: one } of resumed) {
  same<typeof one, Outcome<unknown>>(true);
  await semel.forget(record);
}
const answered: Outcome<Response> = await keyedFetch(semel)('/payments', {
  intent: pay,
  method: 'POST',
  body: '{}',
});
const off: () => void = semel.on('settled', ({ status, attempts }) => console.log(status, attempts));
// @ts-expect-error an event that there isn't
semel.on('done', () => undefined);
off();
try {
  await semel.purge();
} catch (error) {
  const conflict: IntentConflictError | undefined = IntentConflictError.from(error);
  const unknown: SemelClientError | undefined = SemelClientError.from(error);
  console.log(conflict?.record.key, unknown?.outcome.status, answered.status);
}
tabs.close();
