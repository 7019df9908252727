import { type Intent, type JournalRecord, nameOf } from '@semel/client';
import { byId, el, fill } from './element.ts';
import type { Shop } from './shop.ts';
import type { Line, Timeline } from './timeline.ts';

/** What a server knows of an action that was done. */
export interface Entry {
  readonly id: string;
  readonly state: string;
}

export interface PanelParts {
  readonly shop: Shop;
  readonly intent: Intent;
  readonly timeline: Timeline;
  /** What is in the server's books for this action; more than one entry would be a double charge. */
  readonly entries: () => Promise<readonly Entry[]>;
  /** What one entry is: "charge". */
  readonly noun: string;
  readonly thing: 'payment' | 'payout';
}

/** Shows what happens underneath. Reads only. */
export function createPanel({ shop, intent, timeline, entries, noun, thing }: PanelParts): {
  refresh(): void;
} {
  let running = false;
  let again = false;
  const refresh = async (): Promise<void> => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      const [records, found] = await Promise.all([
        Promise.resolve(shop.semel.journal.list()).catch(() => []),
        entries().catch(() => undefined),
      ]);
      const own = records.find((record) => record.intent === intent.id);
      showIntent(intent, own, timeline.lines);
      showJournal(records, intent);
      showBooks(found, noun, thing === 'payment' ? 'order' : 'payout');
    } finally {
      running = false;
      if (again) {
        again = false;
        void refresh();
      }
    }
  };
  const draw = () => {
    showTimeline(timeline.lines);
    void refresh();
  };
  timeline.onChange(draw);
  setInterval(() => document.visibilityState === 'visible' && void refresh(), 1_500); // other tabs write too
  draw();
  return { refresh: draw };
}

function showIntent(intent: Intent, record: JournalRecord | undefined, lines: readonly Line[]): void {
  const key = record?.key ?? lines.findLast(({ attempt }) => attempt)?.attempt?.key;
  fill(
    byId('intent'),
    el('dt', {}, 'Intent'),
    el('dd', {}, el('code', {}, intent.id)),
    el('dt', {}, 'Key'),
    key === undefined
      ? el('dd', { class: 'quiet' }, 'made with the first click')
      : el('dd', {}, el('code', { id: 'key' }, key)),
  );
}

const STATES: Readonly<Record<JournalRecord['state'], string>> = {
  sending: 'begun',
  accepted: 'accepted',
  unknown: 'open',
  completed: 'done',
};

function showJournal(records: readonly JournalRecord[], intent: Intent): void {
  const rows = [...records].reverse().slice(0, 6);
  if (rows.length === 0) {
    fill(byId('journal'), el('p', { class: 'quiet' }, 'Nothing is written down.'));
    return;
  }
  fill(
    byId('journal'),
    el(
      'ul',
      { class: 'records' },
      ...rows.map((record) =>
        el(
          'li',
          {
            'data-name': nameOf(record),
            'data-record': record.state,
            'aria-current': record.intent === intent.id && 'true',
          },
          el('span', { class: 'chip', 'data-chip': record.state }, STATES[record.state]),
          el('code', {}, record.intent ?? record.path),
          el(
            'small',
            { class: 'what' },
            `${record.path} · sent ${record.attempts === 1 ? 'once' : `${record.attempts} times`}`,
          ),
        ),
      ),
    ),
    rows.length < records.length && el('p', { class: 'quiet' }, `and ${records.length - rows.length} older`),
  );
}

function showTimeline(lines: readonly Line[]): void {
  if (lines.length === 0) {
    fill(byId('timeline'), el('li', { class: 'quiet' }, 'Nothing has been sent.'));
    return;
  }
  fill(
    byId('timeline'),
    ...lines.map(({ at, tone, text, attempt }) =>
      el(
        'li',
        { 'data-tone': tone, class: attempt ? 'attempt' : 'note' },
        el('time', {}, clockTime(at)),
        attempt
          ? el(
              'span',
              {},
              el('b', {}, `Attempt ${attempt.number}`),
              el('code', { title: attempt.key }, attempt.key.slice(0, 8)),
              el('em', {}, text),
            )
          : el('span', {}, text),
      ),
    ),
  );
  const list = byId('timeline');
  list.scrollTop = list.scrollHeight;
}

function showBooks(entries: readonly Entry[] | undefined, noun: string, subject: string): void {
  if (entries === undefined) {
    fill(byId('books'), el('p', { class: 'quiet' }, "The server can't be asked now."));
    return;
  }
  const count = entries.length;
  const [first] = entries;
  fill(
    byId('books'),
    el(
      'p',
      { class: 'count', 'data-count': String(count), 'data-wrong': count > 1 },
      el('b', {}, String(count)),
      el('span', {}, `${count === 1 ? noun : `${noun}s`} for this ${subject}`),
    ),
    first !== undefined &&
      el(
        'p',
        { class: 'entry' },
        el('code', {}, first.id),
        el('span', { class: 'chip', 'data-chip': 'completed' }, first.state),
      ),
  );
}

const clockTime = (at: number): string => {
  const time = new Date(at);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, '0')}`;
};
