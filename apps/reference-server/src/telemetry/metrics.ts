import { metrics } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

export interface Metrics {
  /** The metrics of this process in Prometheus' text format. */
  render(): Promise<string>;
  /** One HTTP answer. Routes are patterns and statuses are few: nothing a caller makes up becomes a label. */
  answered(answer: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly ms: number;
  }): void;
}

let started: Metrics | undefined;

/**
 * Registers the process's meter provider, once. Has to come before `createSemel`: instruments that were made without a
 * provider stay silent.
 */
export function startMetrics(): Metrics {
  started ??= start();
  return started;
}

function start(): Metrics {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
  const meter = metrics.getMeter('@semel/reference-server');
  const duration = meter.createHistogram('http.server.request.duration', {
    unit: 's',
    description: 'From the request line to the last byte of the answer',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  });
  return {
    async render() {
      const { resourceMetrics, errors } = await exporter.collect();
      const trouble = errors.map((error) => `# ${String(error).replaceAll('\n', ' ')}\n`).join('');
      return trouble + serializer.serialize(resourceMetrics);
    },
    answered({ method, route, status, ms }) {
      duration.record(ms / 1000, {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
      });
    },
  };
}
