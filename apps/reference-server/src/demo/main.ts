import type { Act, Result } from './act.ts';
import { enrollmentStorm, fullCourse, twoStudents } from './enrollments.ts';
import { killedServer } from './killed-server.ts';
import { layerByLayer, withoutRedis } from './layers.ts';
import { lostAtTheClient, lostAtTheProvider } from './lost-answers.ts';
import { queuedPayouts, refusedPayout } from './payouts.ts';
import { declinedCard, reusedKey } from './refusals.ts';
import { type Stage, setStage } from './stage.ts';
import { stormOfOrders, stormOfPayments } from './storm.ts';
import { type Column, table } from './table.ts';
import { heading, paint, progress, say } from './terminal.ts';
import { twoTenants } from './two-tenants.ts';

const STORY: readonly Act[] = [
  stormOfOrders,
  stormOfPayments,
  lostAtTheProvider,
  lostAtTheClient,
  killedServer,
  declinedCard,
  reusedKey,
  twoTenants,
  enrollmentStorm,
  twoStudents,
  fullCourse,
  queuedPayouts,
  refusedPayout,
  layerByLayer,
  withoutRedis,
];

/** Of the acts: a story that goes well takes a third of that. One that doesn't must come to an end too. */
const TIME_LIMIT_MS = 90_000;

const count = (title: string, value: (result: Result) => number | undefined): Column<Result> => ({
  title,
  align: 'right',
  value: (result) => String(value(result) ?? paint('dim', '–')),
});
const COLUMNS: readonly Column<Result>[] = [
  { title: 'act', align: 'left', value: ({ title }) => title },
  count('calls', ({ tally }) => tally.calls),
  count('sent', ({ tally }) => tally.requests),
  count('ran', ({ tally }) => tally.completed),
  count('replayed', ({ tally }) => tally.replayed),
  count('refused', ({ tally }) => tally.refused),
  count('unknown', ({ tally }) => tally.unanswered),
  count('rows', ({ effects }) => effects),
  count('charges', ({ charges }) => charges),
  count('invoices', ({ invoices }) => invoices),
  count('seats', ({ seats }) => seats),
  {
    title: '',
    align: 'left',
    value: ({ problems }) => (problems.length === 0 ? paint('green', '✓') : paint('red', '✗')),
  },
];

// What was started ends with this process, and that has to end the ordinary way.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

heading('Setting the stage: a database, Redis, a payment provider, billing, a roster, two servers');
const stage = await setStage().catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
progress(stage.where);
const raisedAt = performance.now(); // setting the stage may have meant to install something
const results: Result[] = [];
try {
  for (const act of STORY) results.push(await play(act, stage));
} finally {
  await stage.close();
}

heading('What happened');
say();
say(table(COLUMNS, results));
say(
  'calls: made by the story. sent: requests that took. ran, replayed, refused, unknown: what the clients were told.',
);
say(
  'rows: counted in the database. charges, invoices (open), seats (taken): counted by those services themselves.',
);
const problems = results.flatMap(({ title, problems }) => [
  ...problems.slice(0, 5).map((problem) => `${title}: ${problem}`),
  ...(problems.length > 5 ? [`${title}: and ${problems.length - 5} more`] : []),
]);
for (const problem of problems) say(paint('red', `✗ ${problem}`));
say(
  problems.length === 0
    ? paint('green', '\nNothing ran twice, nothing got lost.')
    : paint('red', '\nThe promise was broken.'),
);
process.exit(problems.length === 0 ? 0 : 1);

/** An act that falls over is a broken promise too, and the others are still played. */
async function play(act: Act, stage: Stage): Promise<Result> {
  heading(act.title);
  try {
    if (performance.now() - raisedAt > TIME_LIMIT_MS) throw new Error('the acts before it took too long');
    return await act.run(stage);
  } catch (error) {
    const tally = { calls: 0, requests: 0, completed: 0, replayed: 0, refused: 0, unanswered: 0 };
    const why = error instanceof Error ? error.message : String(error);
    return {
      title: act.title,
      tally,
      effects: 0,
      charges: undefined,
      problems: [`it could not be played: ${why}`],
    };
  }
}
