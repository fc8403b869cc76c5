import type { Command } from 'commander';
import { systemClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import { localTime, table } from '#platform/table.ts';
import { tadoLogin } from './login.ts';
import { accountKey, tadoCloud, type TadoAccount, type TadoCloud } from './model.ts';
import { passwordNotice } from './rules.ts';

/** `lares tado login | logout | status`. `cloud` is another one in tests only. */
export function tadoCommands(program: Command, house: CliHouse<unknown>, cloud: TadoCloud = tadoCloud): void {
  const tado = program.command('tado').description('the Tado account that says who is home');
  const withState = async <T>(
    use: (state: Awaited<ReturnType<typeof house.store>>['state']) => Promise<T>,
  ) => {
    const store = await house.store();
    try {
      return await use(store.state);
    } finally {
      await store.close();
    }
  };
  const warnOfPassword = () => {
    const notice = passwordNotice(house.env);
    if (notice !== undefined) house.log.warn(`tado: ${notice}`);
  };

  tado
    .command('login')
    .description('connect the Tado account: confirm a code in the browser')
    .action(async () => {
      warnOfPassword();
      const { homes, phones } = await withState((state) =>
        tadoLogin({
          state,
          cloud,
          clock: systemClock,
          signal: house.signal,
          onCode: (code) =>
            house.progress(
              `open ${code.url} in a browser within ${Math.round((code.expiresAt - systemClock.now()) / 60_000)} minutes and confirm the code ${code.userCode}`,
            ),
        }),
      );
      house.print({ homes, phones }, () =>
        [
          'logged in; set presence.tado.enabled: true and name the phones under presence.people[].tado_device:',
          table(
            ['PHONE', 'LOCATION'],
            phones.map((p) => [p.name, p.location === undefined ? 'switched off in the app' : 'shared']),
          ),
        ].join('\n'),
      );
    });

  tado
    .command('logout')
    .description('forget the tokens of the Tado account')
    .action(async () => {
      await withState((state) => state.delete(accountKey));
      house.print(
        { loggedIn: false },
        () => 'forgotten; remove Lares from the connected apps of your Tado account too',
      );
    });

  tado
    .command('status')
    .description('whether an account is connected, without asking Tado')
    .action(async () => {
      warnOfPassword();
      const account = await withState((state) => state.get<TadoAccount>(accountKey));
      // Never the tokens themselves.
      const status =
        account === undefined
          ? { loggedIn: false }
          : {
              loggedIn: true,
              since: new Date(account.loggedInAt).toISOString(),
              homes: account.homes,
              nextPoll: new Date(account.nextPollAt).toISOString(),
            };
      house.print(status, () =>
        account === undefined
          ? 'no account is connected; run `lares tado login`'
          : `connected since ${localTime(account.loggedInAt, undefined)}, homes ${account.homes.join(', ') || 'not asked yet'}`,
      );
    });
}
