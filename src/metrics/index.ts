export { graphiteConfig, type GraphiteConfig } from './config.ts';
export { families, renderPrometheus } from './prometheus.ts';
export { GraphiteSink } from './sinks/graphite/sink.ts';
export { Tick } from './tick.ts';
export { checkGraphite, type GraphiteFinding } from './sinks/graphite/check.ts';
