import { type Act, compare, type Result } from './act.ts';
import { createShopper, distinctIds, newTally, unexpected } from './shopper.ts';
import type { Stage } from './stage.ts';
import { progress } from './terminal.ts';

const DUPLICATES = 20;
/**
 * One enrollment, everything against it. Billing writes the invoice and its answer gets lost; the next attempt learns of it and
 * asks the roster, and there the server is killed. Meanwhile nineteen duplicates have come in at both servers.
 */
export const enrollmentStorm: Act = {
  title: `enrollment sent ${DUPLICATES}×: answer lost, server killed`,
  async run(stage) {
    const { billing, roster, servers } = stage;
    const tally = newTally();
    const student = `${stage.run}-storm-student`;
    const [victim] = servers;
    const enroll = (server: 0 | 1) =>
      createShopper(servers[server].url, tally).act(student, (client, options) =>
        client.enrollments.create.mutate({ studentId: student, courseId: 'algebra' }, options),
      );
    await billing.setFaults({ loseAnswers: 1 });
    await roster.setFaults({ stallMs: 60_000 });
    const askedBefore = (await roster.requests()).length;
    const first = enroll(0);
    await until('the roster was not asked', async () => (await roster.requests()).length > askedBefore);
    const others = Array.from({ length: DUPLICATES - 1 }, (_, i) => enroll(i % 2 === 0 ? 1 : 0));
    await victim.kill();
    const atTheKill = await countsOf(stage, student);
    await roster.setFaults({});
    progress(
      `killed: ${atTheKill.invoices} invoice, ${atTheKill.seats} seats, ${atTheKill.effects} rows, nobody has an answer`,
    );
    await victim.start();
    progress('restarted; the clients keep asking both servers');
    const outcomes = await Promise.all([first, ...others]);

    const billed = (await billing.requests()).filter(({ path }) => path === '/invoices').length;
    const counted = await countsOf(stage, student);
    progress(`billing was asked ${billed} times and wrote ${counted.invoices} invoice`);
    const problems = [
      ...(atTheKill.invoices === 1 && atTheKill.seats === 0 && atTheKill.effects === 0
        ? []
        : ['the server was killed at another point: this act showed less than it says']),
      ...(billed > 1 ? [] : ['no answer got lost: this act showed less than it says']),
      ...unexpected(outcomes, 'completed'),
      ...(distinctIds(outcomes) === 1 ? [] : [`one key got ${distinctIds(outcomes)} different answers`]),
      ...wanted(counted, { effects: 1, invoices: 1, seats: 1 }),
    ];
    return { title: this.title, tally, charges: undefined, ...counted, problems };
  },
};

/** Keys are a student's own. And what a student wanted first stays: the same key with another course gets the first enrollment. */
export const twoStudents: Act = {
  title: 'two students, same key, then other courses',
  async run(stage) {
    const tally = newTally();
    const prefix = `${stage.run}-key-`;
    const students = [`${prefix}ada`, `${prefix}bob`];
    const enroll = (studentId: string, courseId: string) =>
      createShopper(stage.servers[1].url, tally).act(`${prefix}1`, (client, options) =>
        client.enrollments.create.mutate({ studentId, courseId }, options),
      );
    const outcomes = await Promise.all(students.map((student) => enroll(student, 'history')));
    const later = await Promise.all(students.map((student) => enroll(student, 'latin')));
    const courses = [...outcomes, ...later].map((outcome) =>
      outcome.status === 'completed' ? `${outcome.data.studentId} ${outcome.data.courseId}` : outcome.status,
    );
    const counted = await countsOf(stage, prefix);
    progress(
      `${distinctIds(outcomes)} enrollments under one key; asked for Latin, both got their History again`,
    );
    const both = students.map((student) => `${student} history`);
    const problems = [
      ...unexpected([...outcomes, ...later], 'completed'),
      ...(distinctIds(outcomes) === 2 ? [] : ['one student was given the answer of the other']),
      ...compare('answer', [...both, ...both], courses),
      ...wanted(counted, { effects: 2, invoices: 2, seats: 2 }),
    ];
    return { title: this.title, tally, charges: undefined, ...counted, problems };
  },
};

/** The roster says no when the invoice is written: it is made void, under a key of its own, before the student is told. */
export const fullCourse: Act = {
  title: 'a full course, asked 3 times',
  async run(stage) {
    const tally = newTally();
    const student = `${stage.run}-full-student`;
    const course = `${stage.run}-full`;
    await stage.roster.setCapacity(course, 0);
    const outcomes = [];
    for (const { url } of [stage.servers[0], stage.servers[1], stage.servers[0]]) {
      outcomes.push(
        await createShopper(url, tally).act(student, (client, options) =>
          client.enrollments.create.mutate({ studentId: student, courseId: course }, options),
        ),
      );
    }
    const messages = new Set(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.error) : outcome.status)),
    );
    const made = (await stage.billing.invoices({ studentId: student })).map(({ state }) => state);
    const counted = await countsOf(stage, student);
    progress([...messages].join(' / '));
    const problems = [
      ...unexpected(outcomes, 'rejected'),
      ...(messages.size === 1 ? [] : ['the refusals differ']),
      ...compare('invoice', ['void'], made),
      ...wanted(counted, { effects: 0, invoices: 0, seats: 0 }),
    ];
    return { title: this.title, tally, charges: undefined, ...counted, problems };
  },
};

type Counts = Required<Pick<Result, 'effects' | 'invoices' | 'seats'>>;

/** Open invoices by billing's own count, taken seats by the roster's, rows by the database's, of students whose name begins so. */
async function countsOf(stage: Stage, prefix: string): Promise<Counts> {
  const isOurs = ({ studentId }: { readonly studentId: string }) => studentId.startsWith(prefix);
  const [invoices, seats, rows] = await Promise.all([
    stage.billing.invoices({ state: 'open' }),
    stage.roster.seats({ state: 'taken' }),
    stage.enrollments(prefix),
  ]);
  return {
    effects: rows.length,
    invoices: invoices.filter(isOurs).length,
    seats: seats.filter(isOurs).length,
  };
}

const wanted = (counted: Counts, want: Counts): string[] =>
  (['effects', 'invoices', 'seats'] as const).flatMap((name) =>
    counted[name] === want[name]
      ? []
      : [`${name === 'effects' ? 'rows' : name}: ${counted[name]}, wanted ${want[name]}`],
  );

async function until(otherwise: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 15_000; performance.now() < deadline; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(otherwise);
}
