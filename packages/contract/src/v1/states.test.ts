import { readFileSync } from 'node:fs';
import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import {
  isSettled,
  isTransition,
  OPERATION_STATES,
  SETTLED_STATES,
  TRANSITION_CAUSES,
  TRANSITIONS,
} from './states.ts';
import { markdownTransitions, mermaidStates, sqlStateCheck, sqlTransitionCheck } from './states-derived.ts';

const golden = JSON.parse(readFileSync(new URL('../../golden/v1/states.json', import.meta.url), 'utf8'));

describe('states and transitions', () => {
  it('are those of the golden file, in its order', () => {
    expect(OPERATION_STATES).toEqual(golden.states);
    expect(SETTLED_STATES).toEqual(golden.settled);
    expect(TRANSITIONS.map(({ from, to, cause, attempt }) => ({ from, to, cause, attempt }))).toEqual(
      golden.transitions,
    );
  });

  it('allow exactly the edges of the table', () => {
    const allowed: string[] = [];
    for (const from of [null, ...OPERATION_STATES]) {
      for (const to of OPERATION_STATES) {
        for (const cause of TRANSITION_CAUSES)
          if (isTransition(from, to, cause)) allowed.push(`${from} ${to} ${cause}`);
      }
    }
    const listed = TRANSITIONS.map(({ from, to, cause }) => `${from} ${to} ${cause}`);
    expect(allowed.toSorted()).toEqual(listed.toSorted());
    expect(allowed).toHaveLength(24);
  });

  it('never leave a settled state, and reach every state', () => {
    expect(TRANSITIONS.filter(({ from }) => from !== null && isSettled(from))).toEqual([]);
    expect(OPERATION_STATES.filter(isSettled)).toEqual(['completed', 'failed']);
    expect(new Set(TRANSITIONS.map(({ to }) => to))).toEqual(new Set(OPERATION_STATES));
  });

  it('name at least one who may make each', () => {
    expect(TRANSITIONS.filter(({ by }) => by.length === 0)).toEqual([]);
  });
});

describe('what is derived', () => {
  it('is SQL that lists every state and every edge', () => {
    expect(sqlStateCheck('state')).toBe(
      "state IN ('accepted', 'processing', 'released', 'suspended', 'dead', 'completed', 'failed')",
    );
    const check = sqlTransitionCheck('from_state', 'to_state', 'h.cause');
    expect(check.split('\n')).toHaveLength(26);
    expect(check.split('\n').slice(0, 3)).toEqual([
      "(coalesce(from_state, 'absent') || ' ' || coalesce(to_state, '') || ' ' || coalesce(h.cause, '')) = ANY ('{",
      '    absent processing claimed,',
      '    released processing claimed,',
    ]);
    expect(check.endsWith("    dead failed resolved\n  }')")).toBe(true);
  });

  it('is SQL that allows in Postgres exactly what the table allows', async () => {
    const client = new pg.Client(inject('databaseUrl' as never));
    await client.connect();
    try {
      const { rows } = await client.query(
        `SELECT f, t, c FROM unnest($1::text[]) f, unnest($2::text[]) t, unnest($3::text[]) c
         WHERE ${sqlTransitionCheck('f', 't', 'c')} AND ${sqlStateCheck('t')}`,
        [
          [null, 'new', ...OPERATION_STATES],
          [null, 'new', ...OPERATION_STATES],
          [null, 'x', ...TRANSITION_CAUSES],
        ],
      );
      const allowed = rows.map(
        (row: { f: string | null; t: string; c: string }) => `${row.f} ${row.t} ${row.c}`,
      );
      expect(allowed.sort()).toEqual(
        TRANSITIONS.map(({ from, to, cause }) => `${from} ${to} ${cause}`).sort(),
      );
    } finally {
      await client.end();
    }
  });

  it('takes plain column names only', () => {
    for (const name of ['', 'a b', "a'", 'a;b', 'A', 'a.b.c', '"a"']) {
      expect(() => sqlStateCheck(name)).toThrow(TypeError);
    }
  });

  it('is a diagram and a table with one line an edge', () => {
    const diagram = mermaidStates().split('\n');
    expect(diagram).toHaveLength(1 + 24 + 2);
    expect(diagram.slice(0, 2)).toEqual(['stateDiagram-v2', '  [*] --> processing: claimed (attempt + 1)']);
    expect(diagram.at(-1)).toBe('  failed --> [*]: expires');
    const table = markdownTransitions().split('\n');
    expect(table).toHaveLength(2 + 24);
    expect(table[2]).toBe('| — | processing | `claimed` | + 1 | request |');
  });
});
