export { wifiConfig, type WifiConfig } from './config.ts';
export { chooseScanner, mayUseRaw, type OpenScanner, type ScannerOptions } from './lan/choose.ts';
export { lanDriver, makeLanDriver, type LanParts, type LanSignal } from './lan/driver.ts';
export { lookupName } from './lan/names.ts';
export { isRandomised, normaliseMac } from './mac.ts';
export type * from './model.ts';
export { deviceMigrations } from './repository.ts';
export { DeviceRegistry, type RegistryParts } from './service.ts';
