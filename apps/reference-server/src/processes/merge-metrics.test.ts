import { expect, test } from 'vitest';
import { mergeMetrics } from './merge-metrics.ts';

test('each sample names its server, each metric is described once', () => {
  const one = '# HELP a_total What\n# TYPE a_total counter\na_total{x="}{ y"} 1\n# TYPE b gauge\nb 2\n';
  const two =
    '# HELP a_total What\n# TYPE a_total counter\na_total{} 3 1700000000\n# TYPE c gauge\nc{z="1"} 4\n';
  const merged = mergeMetrics(
    new Map([
      ['1', one],
      ['2', two],
    ]),
  );
  expect(merged).toBe(
    [
      '# HELP a_total What',
      '# TYPE a_total counter',
      'a_total{server="1",x="}{ y"} 1',
      'a_total{server="2"} 3 1700000000',
      '# TYPE b gauge',
      'b{server="1"} 2',
      '# TYPE c gauge',
      'c{server="2",z="1"} 4',
      '',
    ].join('\n'),
  );
});

test('nothing of nothing', () => {
  expect(mergeMetrics(new Map())).toBe('');
  expect(mergeMetrics(new Map([['1', '# no registered metrics\n']]))).toBe('');
});
