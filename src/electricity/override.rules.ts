import type { DeviceSettings } from './config.ts';
import type { Device } from './model.ts';

/** True when a setting's `device` names this device: by id, by the name it gives itself, or by its MAC address. */
export function isMeant(device: Pick<Device, 'id' | 'name' | 'mac'>, wanted: string): boolean {
  const name = wanted.trim().toLowerCase();
  return [device.id, device.name, device.mac].some((own) => own?.toLowerCase() === name);
}

/** The device as the settings want it seen; undefined when they want it left out. */
export function overridden(device: Device, settings: readonly DeviceSettings[]): Device | undefined {
  const mine = settings.find((s) => isMeant(device, s.device));
  if (mine === undefined) return device;
  if (mine.ignore) return undefined;
  const { circuit, name, whole_house: wholeHouse } = mine;
  return {
    ...device,
    ...(name === undefined ? {} : { name }),
    ...(wholeHouse ? { wholeHouse } : {}),
    ...(circuit === undefined ? {} : { source: 'circuit', name: name ?? circuit }),
  };
}
