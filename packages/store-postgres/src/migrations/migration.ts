import { createHash } from 'node:crypto';

export interface Migration {
  /** 1, 2, 3 … without a gap. */
  readonly id: number;
  readonly name: string;
  /** `{schema}` stands for the quoted schema. A string in a module, so that bundlers carry it along. */
  readonly sql: string;
}

/** Of the text with its placeholder: the same in every schema. */
export function checksum(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}
