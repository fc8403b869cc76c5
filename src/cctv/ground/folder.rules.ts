import path from 'node:path';

/** `config/calibration` beside the settings; the original kept its settings in `config` already. */
export function calibrationFolder(settingsFolder: string): string {
  const config =
    path.basename(path.resolve(settingsFolder)) === 'config'
      ? settingsFolder
      : path.join(settingsFolder, 'config');
  return path.resolve(config, 'calibration');
}
