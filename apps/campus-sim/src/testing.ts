// For the tests beside this file: one keyed POST over real HTTP, and what the service counted.
import { randomUUID } from 'node:crypto';

export interface Answered {
  readonly status: number;
  readonly isReplay: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly body: any;
}

export async function post(
  url: string,
  body: unknown,
  key: string | undefined = randomUUID(),
): Promise<Answered> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return {
    status: answer.status,
    isReplay: answer.headers.get('idempotency-replayed') === 'true',
    body: await answer.json(),
  };
}

export const order = (more: object = {}) => ({
  school: 'acme',
  studentId: 'ada',
  courseId: 'algebra',
  reference: 'enr_1',
  ...more,
});

export const get = async (url: string) => (await fetch(url)).json();
export const put = (url: string, body: object) => fetch(url, { method: 'PUT', body: JSON.stringify(body) });
