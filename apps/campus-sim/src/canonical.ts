import { createHash } from 'node:crypto';

/** SHA-256 of what a request asks for: the order of an object's members makes no difference. */
export const fingerprintOf = (path: string, body: unknown): string =>
  createHash('sha256')
    .update(`${path}\n${canonical(body)}`)
    .digest('hex');

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}
