import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { scratch, systemPath } from './process.ts';

/** What a sound machine without hardware did, and what it should do. */
export interface SoundMachine {
  /** For programs that are to meet the fakes first. */
  readonly env: { readonly PATH: string };
  /** Lines such as `aplay start living_room`, in order. */
  log(): string[];
  /** Bytes of sound that the players got, all devices together. */
  played(): number;
  /** A device plays, hangs for ever, fails, is pulled out while it plays, or takes as long as the given seconds. */
  device(name: string, behaviour: 'plays' | 'hangs' | 'fails' | 'breaks' | number): void;
  /** A Bluetooth speaker is connected, within reach, away (at once, or after a long search), or was never paired. */
  bluetooth(mac: string, state: 'connected' | 'near' | 'away' | 'searched' | 'unpaired'): void;
  remove(): void;
}

// Sound goes to a file; the device is the word after -D, or what --device= says.
const player = (name: string) => `#!/bin/bash
device=
file=
while [ $# -gt 0 ]; do
  case "$1" in
    -D) device="$2"; shift ;;
    --device=*|--target=*) device="\${1#*=}" ;;
    *.wav) file="$1" ;;
  esac
  shift
done
here="$(dirname "$0")"
does="$(cat "$here/device.$device" 2>/dev/null || echo plays)"
echo "${name} start $device" >> "$here/log"
case "$does" in
  hangs) exec sleep 600 ;;
  breaks) head -c 4000 >> "$here/sound"
    echo "${name}: pcm_write:2127: write error: No such device" >&2; exit 1 ;;
  fails) echo "ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM default" >&2
    echo "${name}: main:831: audio open error: Device or resource busy" >&2; exit 1 ;;
esac
if [ -n "$file" ]; then cat "$file" >> "$here/sound"; else cat >> "$here/sound"; fi
case "$does" in plays) ;; *) sleep "$does" ;; esac
echo "${name} end $device" >> "$here/log"
`;

// What bluetoothctl 5.66 prints, as far as anybody reads it; it ends with 0 whatever happens, as old versions do.
const bluetoothctl = `#!/bin/bash
here="$(dirname "$0")"
state="$(cat "$here/bluetooth.$2" 2>/dev/null || echo unpaired)"
echo "bluetoothctl $1 $2" >> "$here/log"
if [ "$state" = unpaired ]; then echo "Device $2 not available"; exit 0; fi
case "$1" in
  info)
    echo "Device $2 (public)"
    echo "	Paired: yes"
    if [ "$state" = connected ]; then echo "	Connected: yes"; else echo "	Connected: no"; fi ;;
  connect)
    echo "Attempting to connect to $2"
    if [ "$state" = near ]; then echo connected > "$here/bluetooth.$2"; echo "Connection successful"
    elif [ "$state" = searched ]; then exec sleep 600
    elif [ "$state" = away ]; then echo "Failed to connect: org.bluez.Error.Failed br-connection-page-timeout"; fi ;;
esac
`;

/** Fakes of the players and of bluetoothctl in a folder that comes first in PATH; espeak-ng is the real one. */
export function soundMachine(without: readonly string[] = []): SoundMachine {
  const { dir, remove } = scratch('sound');
  const file = (name: string) => path.join(dir, name);
  for (const name of ['aplay', 'paplay', 'pw-play', 'bluetoothctl'].filter((n) => !without.includes(n))) {
    writeFileSync(file(name), name === 'bluetoothctl' ? bluetoothctl : player(name));
    chmodSync(file(name), 0o755);
  }
  const safe = (name: string) => name.replaceAll(/[^A-Za-z0-9:._-]/g, '');
  return {
    env: { PATH: `${dir}:${systemPath}` },
    log: () => (existsSync(file('log')) ? readFileSync(file('log'), 'utf8').trim().split('\n') : []),
    played: () => (existsSync(file('sound')) ? readFileSync(file('sound')).length : 0),
    device: (name, behaviour) =>
      behaviour === 'plays'
        ? rmSync(file(`device.${safe(name)}`), { force: true })
        : writeFileSync(file(`device.${safe(name)}`), String(behaviour)),
    bluetooth: (mac, state) => writeFileSync(file(`bluetooth.${mac}`), state),
    remove,
  };
}
