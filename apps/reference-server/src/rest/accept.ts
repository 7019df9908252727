/** Whether a caller that sends this `Accept` can read JSON. Asked before anything runs: an effect whose answer nobody can read is the worst of both. */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  const ranges = accept.split(',').map(rangeFrom);
  // The most specific range decides (RFC 9110, 12.5.1). Who takes only problem+json can read JSON.
  for (const name of ['application/json', 'application/problem+json', 'application/*', '*/*']) {
    const range = ranges.find((candidate) => candidate.name === name);
    if (range !== undefined) return range.quality > 0;
  }
  return false;
}

/** problem+json, unless the caller names plain JSON and nothing that covers it. */
export function problemType(accept: string | undefined): 'application/problem+json' | 'application/json' {
  const ranges = accept === undefined ? [] : accept.split(',').map(rangeFrom);
  const takes = (...names: string[]) =>
    ranges.some(({ name, quality }) => quality > 0 && names.includes(name));
  return takes('application/json') && !takes('application/problem+json', 'application/*', '*/*')
    ? 'application/json'
    : 'application/problem+json';
}

function rangeFrom(text: string): { readonly name: string; readonly quality: number } {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = given === undefined ? 1 : Number(given);
  return { name, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
