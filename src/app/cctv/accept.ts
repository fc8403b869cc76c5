import type { Command } from 'commander';
import { acceptScene } from '#cctv/motion/memory.ts';
import { LaresError } from '#kernel/errors.ts';
import type { cliHouse } from '../context.ts';

/** `lares cctv accept`: ends the alarm of a camera that was moved on purpose. Works while the service runs or not. */
export function acceptCommand(cctv: Command, house: ReturnType<typeof cliHouse>): void {
  cctv
    .command('accept <camera>')
    .description('take what a camera sees from now on as its right view, after it was aimed anew on purpose')
    .action(async (camera: string) => {
      const ids = (await house.config()).cameras.map((c) => c.id);
      if (!ids.includes(camera))
        throw new LaresError(
          'NOT_FOUND',
          `there is no camera ${camera}; there are ${ids.join(', ') || 'none'}`,
        );
      acceptScene(house.dataDir(), camera);
      house.print(
        { camera },
        () =>
          `${camera}: what it sees now is right. A calibration of before is wrong: lares cctv calibrate --camera ${camera}`,
      );
    });
}
