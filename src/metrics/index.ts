export { graphiteConfig, metricsConfig, type GraphiteConfig, type MetricsConfig } from './config.ts';
export { families, renderPrometheus } from './prometheus.ts';
export { GraphiteSink, type GraphiteIo, type GraphiteStats } from './sinks/graphite/sink.ts';
export { Tick, type BeatStats, type ReadingSource, type TickOptions } from './tick.ts';
export { checkGraphite, type GraphiteFinding } from './sinks/graphite/check.ts';
