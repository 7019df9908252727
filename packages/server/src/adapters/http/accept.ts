/** The forms in which a problem can be told, best first. */
const OFFERED = ['application/problem+json', 'application/json', 'text/plain'] as const;
export type ProblemType = (typeof OFFERED)[number];

/**
 * The form that an `Accept` header likes best. What names none of them gets problem+json: a refusal that can't be read
 * by machine is worse than one of an unexpected type.
 */
export function problemTypeFor(accept: string | null | undefined): ProblemType {
  if (accept === null || accept === undefined || accept.length > 4096) return OFFERED[0];
  const ranges = accept.split(',').map(rangeFrom);
  let best: { type: ProblemType; quality: number } = { type: OFFERED[0], quality: 0 };
  for (const type of OFFERED) {
    const quality = qualityOf(type, ranges);
    if (quality > best.quality) best = { type, quality };
  }
  return best.type;
}

interface Range {
  readonly name: string;
  readonly quality: number;
}

function rangeFrom(text: string): Range {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = given === undefined ? 1 : Number(given);
  return { name, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

/** The most specific range that matches decides (RFC 9110, 12.5.1). */
function qualityOf(type: ProblemType, ranges: readonly Range[]): number {
  const [major = ''] = type.split('/');
  for (const name of [type, `${major}/*`, '*/*']) {
    const range = ranges.find((candidate) => candidate.name === name);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
