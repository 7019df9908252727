import { cpus } from 'node:os';

/** Where and on what the figures were measured. */
export interface Conditions {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly postgres: string;
  readonly redis: string;
}

export function conditions(services: { readonly postgres: string; readonly redis: string }): Conditions {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}, ${process.platform}`,
    node: process.versions.node,
    ...services,
  };
}
