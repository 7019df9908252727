import { PROBLEM_CODES, problemRow } from './problems.ts';

/** The table as markdown, in the order of precedence. */
export function markdownProblems(): string {
  const rows = PROBLEM_CODES.map((code) => {
    const row = problemRow(code);
    const other = row.alternative;
    const status = `${row.httpStatus}${other ? ` (policy: ${other.httpStatus})` : ''}`;
    const trpc = `${row.trpcCode}${other ? ` / ${other.trpcCode}` : ''}`;
    const pause = row.retryAfterMs === undefined ? '—' : `${row.retryAfterMs / 1000} s`;
    return `| ${row.precedence} | [\`${code}\`](#${code}) | ${status} | ${trpc} | ${row.retry} | ${row.retryable ? 'yes' : 'no'} | ${pause} | ${row.clientAction} |`;
  });
  return [
    '| precedence | code | HTTP | tRPC | retry | retryable | default Retry-After | what the client does |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
