export type * from './model.ts';
export { programsOf, type InspectedSpeaker } from './channels/speak/inspect.ts';
export { guardRoutes, type GuardBody, type GuardPort, type ModeBody } from './http.ts';
