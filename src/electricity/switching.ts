import { LaresError, reason } from '#kernel/errors.ts';
import type { HouseEvent } from '#kernel/event.ts';
import { isFresh, takeReading, type ElectricityParts, type Known } from './service.model.ts';
import type { DeviceView } from './view.model.ts';

export interface Switched {
  readonly device: string;
  readonly path: string;
  /** What the device itself says after the command. */
  readonly isOn: boolean;
  /** Id of the journal event. */
  readonly event: string;
}

/** Who switches what, and why. */
export interface Command {
  readonly on: boolean;
  readonly actor: string;
  readonly why: string;
}

/**
 * Switches a device and reads back what it says. Who did it, why and with what result goes into the journal, and so
 * does a failure. Throws FORBIDDEN, USAGE when it has no switch, and what the device's driver throws.
 */
export async function switchDevice(
  view: DeviceView,
  known: Known | undefined,
  command: Command,
  { clock, store }: Pick<ElectricityParts, 'clock' | 'store'>,
  signal: AbortSignal,
): Promise<Switched> {
  const { on, actor, why } = command;
  const { device, path } = view;
  const tell = (kind: string, data: Record<string, unknown>): Promise<HouseEvent> =>
    store.journal.append({
      at: clock.now(),
      kind,
      subject: `device:${device.id}`,
      cause: actor,
      evidence: [],
      data: { path, name: device.name, wanted: on, why, ...data },
    });
  const refuse = async (error: LaresError): Promise<never> => {
    await tell('electricity.switch-refused', { error: error.message });
    throw error;
  };
  if (view.control === 'forbidden')
    return refuse(
      new LaresError('FORBIDDEN', `${path} must not be switched: its settings say control: false`),
    );
  const switches = known?.announcement.switches;
  if (known === undefined || switches === undefined)
    return refuse(new LaresError('USAGE', `${path} cannot be switched: ${whyNot(view)}`));
  const before = view.values.is_on;
  try {
    known.turning = on;
    const isOn = await switches.turn(on, signal);
    // By the clock of the device, so that its next reading is not taken for an older one.
    const at = isFresh(known, clock.now()) ? known.measuredAt : undefined;
    takeReading(known, at ?? clock.now(), { is_on: isOn ? 1 : 0 });
    if (isOn !== on)
      throw new LaresError(
        'BAD_REPLY',
        `${path} took the command but says that it is ${isOn ? 'on' : 'off'}; look at the device`,
      );
    const event = await tell('electricity.switched', {
      is_on: isOn,
      was_on: before === undefined ? null : before === 1,
    });
    return { device: device.id, path, isOn, event: event.id };
  } catch (error) {
    await tell('electricity.switch-failed', { error: reason(error) });
    throw error;
  } finally {
    if (known.turning === on) known.turning = undefined;
  }
}

const whyNot = (view: DeviceView) =>
  view.state === 'ok' ? 'it has no switch' : `it does not answer now (${view.problem ?? 'silent'})`;
