export type * from './model.ts';
export type * from './view.model.ts';
export type * from './book/model.ts';
export { toCctvBody, type CctvBody } from './body.ts';
export { cctvRoutes, type CctvPort } from './http.ts';
export { LiveHub, type LivePort } from './live/hub.ts';
export { holdsSecrets, inspectCctv, type CctvSettings } from './inspect.ts';
export { liveRoutes } from './live/routes.ts';
export {
  cameraMetrics,
  cameraNode,
  cctvMetrics,
  cctvReadings,
  defaultPrefix,
  type CameraMetric,
} from './metrics.ts';
