export type Tone = 'note' | 'sent' | 'done' | 'told' | 'lost';

/** A line of what happened to one order, in this tab. */
export interface Line {
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
  /** An attempt: which one, and under which key. */
  readonly attempt?: { readonly number: number; readonly key: string; readonly aged: boolean };
}

export interface Timeline {
  readonly lines: readonly Line[];
  note(text: string, tone?: Tone): void;
  /** A request leaves; call what it returns when something is known about it. */
  attempt(key: string, aged: boolean): (text: string, tone: Tone) => void;
  onChange(listener: () => void): void;
}

const MAX_LINES = 60;

/** Kept in the tab's session, so that a reload goes on telling. Where it can't be kept it's told from anew. */
export function createTimeline(name: string): Timeline {
  const place = `semel-checkout:${name}`;
  let lines = load(place);
  const listeners = new Set<() => void>();
  const changed = () => {
    lines = lines.slice(-MAX_LINES);
    try {
      sessionStorage.setItem(place, JSON.stringify(lines));
    } catch {
      // Full, or forbidden: the page's own memory has to do.
    }
    for (const listener of listeners) listener();
  };
  if (lines.length > 0) {
    lines = lines.map((line) =>
      line.tone === 'sent' ? { ...line, tone: 'lost', text: 'The page was gone before the answer' } : line,
    );
    lines.push({ at: Date.now(), tone: 'note', text: 'The page was loaded again' });
  }
  return {
    get lines() {
      return lines;
    },
    note(text, tone = 'note') {
      lines.push({ at: Date.now(), tone, text });
      changed();
    },
    attempt(key, aged) {
      const number = lines.filter(({ attempt }) => attempt?.key === key).length + 1;
      let line: Line = { at: Date.now(), tone: 'sent', text: 'On its way…', attempt: { number, key, aged } };
      lines.push(line);
      changed();
      return (text, tone) => {
        const next = { ...line, text, tone };
        lines = lines.map((each) => (each === line ? next : each));
        line = next;
        changed();
      };
    },
    onChange: (listener) => void listeners.add(listener),
  };
}

function load(place: string): Line[] {
  try {
    return JSON.parse(sessionStorage.getItem(place) ?? '[]') as Line[];
  } catch {
    return [];
  }
}
