import type { Replied } from './counter.ts';

/**
 * What is left of an answer behind a gateway that follows draft-07 and knows nothing else: the status, the application's
 * own body, and a problem of a title. So every server looks to a client that isn't Semel's.
 */
export function passedBy({ status, headers, body }: Replied): Replied {
  const kept = new Headers();
  const type = headers.get('content-type') ?? '';
  kept.set('content-type', type);
  const isProblem = type.startsWith('application/problem+json');
  const { title } = isProblem ? (JSON.parse(body) as { title?: string }) : {};
  return { status, headers: kept, body: isProblem ? JSON.stringify({ type: 'about:blank', title }) : body };
}
