export type { WifiConfig } from './config.ts';
export { chooseScanner, mayUseRaw, type OpenScanner, type ScannerOptions } from './lan/choose.ts';
export { makeLanDriver, type LanSignal } from './lan/driver.ts';
export { lookupName, type LookupName } from './lan/names.ts';
export { isRandomised } from './mac.ts';
export type * from './model.ts';
export { deviceMigrations } from './repository.ts';
export { DeviceRegistry } from './service.ts';
export { Vendors } from './vendor.ts';
