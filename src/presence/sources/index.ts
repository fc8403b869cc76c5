import { homeassistant } from './homeassistant/driver.ts';
import { makeTadoDriver } from './tado/driver.ts';

/** Every source that reports about people by itself. A new one is a folder beside this file and one line here. */
export const sourceDrivers = {
  homeassistant: () => homeassistant,
  tado: makeTadoDriver,
} as const;
