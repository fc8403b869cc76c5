import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';
import { HardwareContext } from 'node-av/api';

export interface Found {
  /** What decodes; undefined when the processor does. */
  readonly context: HardwareContext | undefined;
  readonly level: 'info' | 'warn';
  readonly message: string;
}

const byProcessor = 'video is decoded by the processor';

/**
 * Looks for hardware that decodes, by decoding a picture with it. Takes up to some hundred milliseconds. `devices` is
 * where Linux lists graphics units.
 */
export function openHardware(devices = '/dev/dri'): Found {
  const context = HardwareContext.auto() ?? undefined;
  if (context !== undefined)
    return { context, level: 'info', message: `video is decoded by ${context.deviceTypeName}` };
  const unit = renderNode(devices);
  if (unit === undefined) return { context, level: 'info', message: byProcessor };
  const why = mayUse(unit)
    ? 'cannot be used to decode; its driver is missing, too old or broken'
    : 'may not be used by this user, who is not in its group (render or video)';
  return { context, level: 'warn', message: `the graphics unit ${unit} ${why}; ${byProcessor}` };
}

function renderNode(devices: string): string | undefined {
  try {
    const name = readdirSync(devices)
      .filter((entry) => entry.startsWith('renderD'))
      .toSorted()[0];
    return name === undefined ? undefined : path.join(devices, name);
  } catch {
    return undefined;
  }
}

function mayUse(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
