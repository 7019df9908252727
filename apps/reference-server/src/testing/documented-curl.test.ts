import { expect, test } from 'vitest';
import { differences, documentedCalls, httpAnswer } from './documented-curl.ts';

const page = [
  '# A',
  '```sh arrange=x',
  'curl 1',
  '```',
  '',
  '```http',
  'HTTP/1.1 200 OK',
  'A: b…',
  '',
  '{ "n": 1 }',
  '```',
];
const [call] = documentedCalls(page.join('\n'));
const answer = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\na: bcd\r\nother: x\r\n\r\n{"n":1,"m":2}';

test('a block and the answer after it belong together', () => {
  expect(call).toStrictEqual({
    heading: 'A',
    command: 'curl 1',
    arrange: 'x',
    expected: { status: 'HTTP/1.1 200 OK', headers: { a: 'b…' }, body: { n: 1 } },
  });
});

test.each([
  ['what the page says', answer, []],
  ['another status', answer.replace('200', '201'), ['status']],
  ['another header', answer.replace('bcd', 'acd'), ['a']],
  ['no such header', answer.replace('a: bcd\r\n', ''), ['a']],
  ['another member', answer.replace('"n":1', '"n":2'), ['body.n']],
  ['no such member', answer.replace('"n":1,', ''), ['body.n']],
  ['no body', answer.slice(0, answer.indexOf('{')), ['body']],
])('%s is found out', (_, text, expected) => {
  const found = differences(call?.expected ?? httpAnswer(''), httpAnswer(text));
  expect(found.map((line) => line.split(':', 1)[0])).toStrictEqual(expected);
});
