export { lockDataDir } from './lock.ts';
export type * from './model.ts';
export { defaultRetention, openStore, type StoreOptions } from './open.ts';
export { columnTypes } from './tables.ts';
