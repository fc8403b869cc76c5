export { createApp, openApi, serve, type RunningServer } from './server.ts';
export type { DemoPort, HttpOptions, HttpPorts } from './ports.ts';
export type { DemoFaultBody, DemoFaultsBody } from './routes/demo.ts';
