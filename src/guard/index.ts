export type * from './model.ts';
export { guardRoutes, type GuardBody, type GuardPort, type ModeBody } from './http.ts';
