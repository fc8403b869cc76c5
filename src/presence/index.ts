export * from './model.ts';
export {
  defaultPrefix,
  extras,
  houseMetrics,
  personMetrics,
  presenceReadings,
  type Extra,
} from './metrics.ts';
export {
  deviceBody,
  historyBody,
  personDetailBody,
  presenceBody,
  presenceRoutes,
  span,
  suggestionBody,
  toPresenceBody,
  type OwnedDevice,
  type PresencePort,
} from './http.ts';
export { anyoneHome } from './occupancy.rules.ts';
export { presencePort } from './port.ts';
export { staysOf, type Stay } from './stays.rules.ts';
