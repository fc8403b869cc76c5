import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger, silent } from '#platform/log.ts';
import { header, mutePort, smtpServer, type SmtpServer } from '../../../../tests/servers/smtp.ts';
import { scratch, until } from '../../../../tests/servers/process.ts';
import type { AlertMessage } from '../../model.ts';
import { MemoryDeliveries, someAlert, someInstant, someIo, someSettings } from '../fixture.ts';
import type { AnyChannel } from '../place.ts';
import { AlertQueue } from '../queue.ts';
import { email } from './channel.ts';
import { openMail } from './mailer.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function server(options?: Parameters<typeof smtpServer>[0]): Promise<SmtpServer> {
  const started = await smtpServer(options);
  closers.push(() => started.close());
  return started;
}

const password = 'correct horse battery';

const settings = (port: number, more: Record<string, unknown> = {}) =>
  someSettings({
    monitoring: {
      email_alerts_enabled: true,
      email_to: 'alex@example.org',
      email_from: 'cctv@example.org',
      smtp_server: '127.0.0.1',
      smtp_port: port,
      ...more,
    },
  }).monitoring;

function mail(port: number, more: Record<string, unknown> = {}, clock = new ManualClock(someInstant)) {
  const open = openMail(settings(port, more), someIo({ clock }));
  closers.push(() => open.close());
  return open;
}

const never = new AbortController().signal;
const send = (open: ReturnType<typeof mail>, alert: AlertMessage = someAlert()) =>
  open.deliver(alert, { type: 'email' }, never);

test('a mail goes over STARTTLS with sign-in, and says what happened, where, when and why', async () => {
  const smtp = await server({ users: { cctv: password } });
  await send(
    mail(smtp.port, {
      smtp_security: 'starttls',
      smtp_ca_file: smtp.caFile,
      smtp_username: 'cctv',
      smtp_password: password,
    }),
  );
  expect(smtp.mails.map(({ from, to, secure, user }) => ({ from, to, secure, user }))).toEqual([
    { from: 'cctv@example.org', to: ['alex@example.org'], secure: true, user: 'cctv' },
  ]);
  const { raw } = smtp.mails[0]!;
  expect(header(raw, 'Subject')).toBe('Alert: A person, 4 metres from the gate, coming closer (Front door)');
  expect(header(raw, 'Message-ID')).toBe('<alert-1@example.org>');
  expect(header(raw, 'Auto-Submitted')).toBe('auto-generated');
  expect(header(raw, 'Date')).toBe('Sat, 31 Jan 2026 08:00:00 +0000');
  const text = raw.replaceAll('=\r\n', '').replaceAll('=C2=B1', '±');
  for (const line of [
    'Time: 2026-01-31 09:00:00 (Europe/Berlin)',
    'Camera: Front door',
    'Seen: person, 87 % sure',
    'Distance: 4.1 m from gate',
    'Rule: Person at the gate',
    '- 4.1 m ± 0.3 from gate, wanted < 5 m',
  ])
    expect(text).toContain(line);
});

test('TLS from the start works too', async () => {
  const smtp = await server({ tls: 'implicit' });
  await send(mail(smtp.port, { smtp_security: 'tls', smtp_ca_file: smtp.caFile }));
  expect(smtp.mails.map((m) => m.secure)).toEqual([true]);
});

test('STARTTLS is used where a server of this machine offers it, although nobody signed its certificate', async () => {
  const smtp = await server();
  await send(mail(smtp.port));
  expect(smtp.mails.map((m) => m.secure)).toEqual([true]);
});

test('nothing is sent in clear where STARTTLS is required and not offered', async () => {
  const smtp = await server({ tls: 'none' });
  await expect(send(mail(smtp.port, { smtp_security: 'starttls' }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('offers no STARTTLS, so nothing was sent'),
  });
  expect(smtp.mails).toEqual([]);
  await send(mail(smtp.port));
  expect(smtp.mails.map((m) => m.secure)).toEqual([false]);
});

test('a certificate that nobody known signed is refused, with the setting that helps', async () => {
  const smtp = await server();
  await expect(send(mail(smtp.port, { smtp_security: 'starttls' }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('set smtp_ca_file'),
  });
  expect(smtp.mails).toEqual([]);
});

test('a wrong password asks for the settings, and is told to nobody', async () => {
  const smtp = await server({ users: { cctv: 'another one' } });
  const error = await send(mail(smtp.port, { smtp_username: 'cctv', smtp_password: password })).catch(
    (caught: unknown) => caught as Error,
  );
  expect(error).toMatchObject({ code: 'AUTH_REFUSED', remedy: 'fix-config' });
  const all = `${error!.message} ${error!.stack} ${JSON.stringify(error)} ${String(error!.cause)}`;
  expect(error!.message).toContain('no entry for cctv with [secret]');
  expect(all).not.toContain(password);
  expect(all).not.toContain(Buffer.from(password).toString('base64'));
});

test.each([
  ['a full disk', { data: '452 4.3.1 insufficient storage' }, 'UNREACHABLE'],
  ['greylisting', { recipient: '451 4.7.1 try again later' }, 'UNREACHABLE'],
  ['an unknown recipient', { recipient: '550 5.1.1 no such user' }, 'NOT_FOUND'],
  ['a refused sender', { sender: '553 5.7.1 not yours' }, 'NOT_FOUND'],
  ['a refused mail', { data: '554 5.7.1 spam' }, 'BAD_REPLY'],
] as const)('%s is an error with its own remedy', async (_what, faults, code) => {
  const smtp = await server();
  Object.assign(smtp.faults, faults);
  const open = mail(smtp.port);
  await expect(send(open)).rejects.toMatchObject({ code });
  Object.assign(smtp.faults, { data: undefined, recipient: undefined, sender: undefined });
  await send(open);
  expect(smtp.mails).toHaveLength(1);
});

test('who is put off gets the mail later, and nobody else gets it again', async () => {
  const smtp = await server();
  const open = mail(smtp.port, { email_to: ['alex@example.org', 'sam@example.org'] });
  smtp.faults.recipients = { 'sam@example.org': '451 4.7.1 greylisted, come back' };
  const error = {
    code: 'BAD_REPLY',
    message:
      'the mail server 127.0.0.1 puts off sam@example.org: "451 4.7.1 greylisted, come back"; the other recipients have the mail',
  };
  await expect(send(open)).rejects.toMatchObject(error);
  // Again only this one waits: the lane must not rest because of it.
  await expect(send(open)).rejects.toMatchObject({ code: 'BAD_REPLY' });
  await expect(send(open, someAlert({ id: 'alert-2' }))).rejects.toMatchObject(error);
  smtp.faults.recipients = {};
  await send(open);
  await open.digest!([someAlert({ id: 'alert-2' })], { type: 'email' }, never);
  expect(smtp.mails.map((m) => [header(m.raw, 'Message-ID'), m.to])).toEqual([
    ['<alert-1@example.org>', ['alex@example.org']],
    ['<alert-2@example.org>', ['alex@example.org']],
    ['<alert-1@example.org>', ['sam@example.org']],
    ['<alert-2@example.org>', ['sam@example.org']],
  ]);
  // All the same it is addressed to both.
  expect(header(smtp.mails[2]!.raw, 'To')).toBe('alex@example.org, sam@example.org');
});

test('a recipient that is refused for good is named once, and the mail is told to the others', async () => {
  const smtp = await server();
  smtp.faults.recipients = { 'typo@example.org': '550 5.1.1 no such user' };
  const lines: string[] = [];
  const open = openMail(
    settings(smtp.port, { email_to: ['typo@example.org', 'sam@example.org'] }),
    someIo({ log: new Logger({ write: (line) => lines.push(line) }) }),
  );
  closers.push(() => open.close());
  await send(open);
  expect(smtp.mails.map((m) => m.to)).toEqual([['sam@example.org']]);
  expect(lines).toEqual([
    expect.stringContaining(
      'WARN|lares|-|email error: the mail server 127.0.0.1 refuses typo@example.org: "550 5.1.1 no such user"; check email_to',
    ),
  ]);
});

test('recipients that a server refuses hold up no mail to others', () => {
  const lane = (to?: string[]) => email.lane({ type: 'email', ...(to === undefined ? {} : { to }) });
  expect(lane(['b@c.org', 'a@c.org'])).toBe(lane(['a@c.org', 'b@c.org']));
  expect(new Set([lane(), lane(['a@c.org']), lane(['b@c.org'])]).size).toBe(3);
});

test.each(['sender', 'data'] as const)(
  'a server that hangs at %s is left when the signal aborts',
  async (hang) => {
    const smtp = await server();
    smtp.faults.hang = hang;
    const stop = new AbortController();
    const sent = mail(smtp.port).deliver(someAlert(), { type: 'email' }, stop.signal);
    const outcome = expect(sent).rejects.toMatchObject({ code: 'TIMEOUT' });
    setTimeout(() => stop.abort(), 100);
    await outcome;
  },
);

test('a port without a voice, and one where nobody listens, are named', async () => {
  const mute = await mutePort();
  closers.push(() => mute.close());
  const stop = new AbortController();
  const sent = mail(mute.port).deliver(someAlert(), { type: 'email' }, stop.signal);
  setTimeout(() => stop.abort(), 100);
  await expect(sent).rejects.toMatchObject({ code: 'TIMEOUT' });
  await mute.close();
  await expect(send(mail(mute.port))).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('nothing listens there (ECONNREFUSED)'),
  });
});

test('a mail that was cut off after its last byte is sent again with the same Message-ID', async () => {
  const smtp = await server();
  smtp.faults.dropAfterData = true;
  const open = mail(smtp.port);
  await expect(send(open)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  smtp.faults.dropAfterData = false;
  await send(open);
  const ids = smtp.mails.map((m) => header(m.raw, 'Message-ID'));
  expect(ids).toEqual(['<alert-1@example.org>', '<alert-1@example.org>']);
});

test('line breaks in names and texts make no headers', async () => {
  const smtp = await server();
  const evil = 'Gate\r\nBcc: eve@example.net\r\n\r\nhello\u2028X-Evil: 1';
  await send(
    mail(smtp.port),
    someAlert({ id: evil, text: evil, cameraName: evil, ruleName: evil, rule: evil, label: evil }),
  );
  const { raw, to } = smtp.mails[0]!;
  expect(to).toEqual(['alex@example.org']);
  expect(header(raw, 'Bcc')).toBeUndefined();
  expect(header(raw, 'X-Evil')).toBeUndefined();
  const names = raw
    .slice(0, raw.indexOf('\r\n\r\n'))
    .split('\r\n')
    .filter((l) => !/^\s/.test(l))
    .map((l) => l.slice(0, l.indexOf(':')).toLowerCase());
  expect(names.toSorted()).toEqual([
    'auto-submitted',
    'content-type',
    'date',
    'from',
    'message-id',
    'mime-version',
    'subject',
    'to',
    'x-auto-response-suppress',
  ]);
  expect(header(raw, 'Message-ID')).toMatch(/^<[0-9a-f]{40}@example\.org>$/);
});

test('whatever stands in it, a mail is plain ASCII in short lines, and its subject is read back', async () => {
  const smtp = await server();
  const open = mail(smtp.port);
  const long = `Große Tür – ${'門'.repeat(200)} ${'x'.repeat(9_000)}`;
  const gates = Array.from({ length: 40 }, () => ({ gate: 'zone', passed: true, text: long }));
  await send(open, someAlert({ cameraName: 'Haustür 門', gates }));
  await send(open, someAlert({ id: 'alert-2', text: long, cameraName: long, ruleName: long, label: long }));
  for (const { raw } of smtp.mails) {
    // RFC 5322, 2.1.1, and RFC 5321, 4.5.3.1.6.
    expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    expect(raw).toMatch(/^[\r\n\t\x20-\x7e]*$/);
  }
  const words = [...header(smtp.mails[0]!.raw, 'Subject')!.matchAll(/=\?utf-8\?([QB])\?([^?]*)\?=/gi)];
  const bytes = words.map(([, how, text]) =>
    how!.toUpperCase() === 'B'
      ? Buffer.from(text!, 'base64')
      : Buffer.from(
          text!
            .replaceAll('_', ' ')
            .replaceAll(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
          'latin1',
        ),
  );
  expect(Buffer.concat(bytes).toString()).toContain('(Haustür 門)');
});

test.each(['LOGIN', 'PLAIN'])('a server that knows only AUTH %s is signed in at', async (method) => {
  const smtp = await server({ users: { cctv: password }, authMethods: [method] });
  await send(mail(smtp.port, { smtp_username: 'cctv', smtp_password: password }));
  expect(smtp.mails.map((m) => m.user)).toEqual(['cctv']);
});

test('the picture is shown within the mail; without the file the words go alone', async () => {
  const smtp = await server();
  const { dir, remove } = scratch('mail');
  closers.push(remove);
  const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(1_000, 7)]);
  writeFileSync(`${dir}/a.jpg`, jpeg);
  const open = mail(smtp.port);
  await send(open, someAlert({ snapshot: `${dir}/a.jpg` }));
  await send(open, someAlert({ id: 'alert-2', snapshot: `${dir}/gone.jpg` }));
  const [first, second] = smtp.mails.map((m) => m.raw.replaceAll('=\r\n', ''));
  expect(first).toContain('cid:snapshot-1@lares');
  expect(first).toContain('Content-ID: <snapshot-1@lares>');
  expect(first!.replaceAll('\r\n', '')).toContain(jpeg.toString('base64').slice(0, 200));
  expect(second).not.toContain('cid:');
});

test('a mail that is too big goes without its picture', async () => {
  const smtp = await server({ maxBytes: 20_000 });
  const { dir, remove } = scratch('mail');
  closers.push(remove);
  writeFileSync(`${dir}/a.jpg`, Buffer.alloc(100_000, 7));
  await send(mail(smtp.port), someAlert({ snapshot: `${dir}/a.jpg` }));
  expect(smtp.mails.map((m) => m.raw.includes('snapshot-1'))).toEqual([false]);
});

test('beyond the limit mails wait, and one digest tells the rest', async () => {
  const smtp = await server();
  const clock = new ManualClock(someInstant);
  const open = mail(smtp.port, { email_max_per_10_minutes: 2 }, clock);
  const alerts = [1, 2, 3, 4].map((i) =>
    someAlert({ id: `alert-${i}`, at: someInstant + i * 1_000, severity: i === 4 ? 'critical' : 'warning' }),
  );
  await send(open, alerts[0]);
  await clock.advance(60_000);
  await send(open, alerts[1]);
  await expect(send(open, alerts[2])).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 540_000 });
  await clock.advance(540_000);
  await open.digest!(alerts.slice(2), { type: 'email' }, never);
  expect(smtp.mails).toHaveLength(3);
  const digest = smtp.mails[2]!.raw;
  expect(header(digest, 'Subject')).toBe(
    '2 alerts, 1 of them critical, 2026-01-31 09:00:03 to 2026-01-31 09:00:04',
  );
  expect(header(digest, 'Message-ID')).toMatch(/^<digest-[0-9a-f]{40}@example\.org>$/);
  expect(header(digest, 'X-Priority')).toBe('1 (Highest)');
});

test('alerts of three hours without a mail server are all delivered afterwards, each once', async () => {
  const smtp = await server();
  const { port } = smtp;
  await smtp.close();
  closers.length = 0;
  const clock = new ManualClock(someInstant);
  const store = new MemoryDeliveries();
  const known = new Map<string, AlertMessage>();
  let inFlight = 0;
  const counted = async (work: Promise<void>) => {
    inFlight += 1;
    await work.finally(() => (inFlight -= 1));
  };
  const watched: AnyChannel = {
    ...email,
    open: (...args) => {
      const open = email.open(...args);
      return {
        ...open,
        deliver: (...words) => counted(open.deliver(...words)),
        digest: (...words) => counted(open.digest!(...words)),
      };
    },
  };
  const queue = new AlertQueue({
    clock,
    log: silent,
    random: () => 1,
    health: new Health(clock),
    store,
    find: (id) => known.get(id),
    channels: { email: watched },
  });
  await queue.use({ speakers: [], monitoring: settings(port) }, someIo({ clock }));
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  // A try takes real time, during which the clock of the house stands.
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      await clock.advance(10_000);
      await until(() => inFlight === 0);
    }
  };
  for (let n = 0; n < 9; n += 1) {
    const alert = someAlert({ id: `alert-${n}`, at: clock.now() });
    known.set(alert.id, alert);
    store.add({ id: `d${n}`, alert: alert.id, channel: 'email', action: { type: 'email' }, dueAt: alert.at });
    queue.wake();
    await pass(1_200_000);
  }
  expect(queue.stats()[0]).toMatchObject({ waiting: 9, delivered: 0 });
  const back = await server({ port });
  await pass(660_000);
  expect(queue.stats()[0]).toMatchObject({ waiting: 0, delivered: 9 });
  // All of them rested until the same instant, so one digest tells them.
  expect(back.mails.map(({ raw }) => header(raw, 'Subject'))).toEqual([
    '9 alerts, 2026-01-31 09:00:00 to 2026-01-31 11:40:00',
  ]);
  expect([...store.rows.values()].every((r) => r.state === 'done')).toBe(true);
  stop.abort();
  await clock.advance(0);
  await ended;
});

test('the check signs in and sends nothing', async () => {
  const smtp = await server({ users: { cctv: password } });
  expect(await mail(smtp.port, { smtp_username: 'cctv', smtp_password: password }).check(never)).toEqual({
    state: 'ok',
    detail: '127.0.0.1 takes mails; none was sent',
  });
  expect(
    await mail(smtp.port, { smtp_username: 'cctv', smtp_password: 'not this' }).check(never),
  ).toMatchObject({
    state: 'down',
    detail: expect.stringContaining('refuses the user name or password'),
  });
  expect(smtp.mails).toEqual([]);
});
