export { createApp, openApi, serve, type RunningServer } from './server.ts';
export type { HttpOptions, HttpPorts } from './ports.ts';
