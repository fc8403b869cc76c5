export type * from './model.ts';
export type * from './view.model.ts';
export type { Totals } from './energy/model.ts';
export { quantities } from './model.ts';
export { defaultPrefix, deviceMetrics, electricityReadings, houseMetrics } from './metrics.ts';
export { toElectricityBody, type ElectricityBody } from './body.ts';
export { electricityRoutes, type ElectricityPort } from './http.ts';
export { electricityPort } from './port.ts';
export { pulseRoutes } from './pulse.http.ts';
