import { expect, test } from 'vitest';
import { freshJobId, jobId } from './job-id.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('one state of one record has one id, which every version of this package makes', () => {
  expect(jobId('operation', 1)).toBe('b4bf040b-4db0-8e81-82d5-4f4e86eb2d72');
  expect(jobId('operation', 1)).toMatch(UUID);
});

test('the next state and another operation have others', () => {
  const ids = [jobId('a', 1), jobId('a', 2), jobId('a', 12), jobId('a1', 2), freshJobId(), freshJobId()];
  expect(new Set(ids).size).toBe(6);
  for (const id of ids) expect(id).toMatch(UUID);
});
