import { readFileSync } from 'node:fs';
import { LaresError, reason } from '#kernel/errors.ts';
import type { AlertMessage } from '../../model.ts';
import type { MonitoringConfig } from '../config.ts';
import type { ChannelHealth, ChannelIo, OpenChannel } from '../contract.ts';
import { readPicture } from '../picture.ts';
import type { EmailAction } from './action.ts';
import { waitMs, windowMs } from './limit.rules.ts';
import { alertMail, digestMail, pictureId, type MailText } from './mail.render.ts';
import { messageId } from './message-id.ts';
import { quoted, smtpError, spellings } from './refusal.ts';
import { protection } from './security.rules.ts';

/** Pictures of a digest: the newest ones, as many as a mailbox takes without complaint. */
const mostPictures = 10;
const mostPictureBytes = 8 * 2 ** 20;

const connectMs = 10_000;
// Servers let strangers wait before they greet, and look for malware before they take a mail: who hangs up too soon sends
// it again and again (RFC 5321, 4.5.3.2 has minutes for both).
const greetingMs = 30_000;
const silenceMs = 60_000;
/** Alerts of which it is remembered who has them already. */
const mostPartial = 500;

interface Picture {
  readonly alert: string;
  readonly bytes: Buffer;
}

/** Mail through the SMTP server of the settings. The library is loaded by those who send. */
export function openMail(settings: MonitoringConfig, io: ChannelIo): OpenChannel<EmailAction> {
  let sent: readonly number[] = [];
  /** By alert: recipients who have it while others were put off. */
  const had = new Map<string, ReadonlySet<string>>();
  const life = new AbortController();

  async function send(
    alerts: readonly AlertMessage[],
    action: EmailAction,
    signal: AbortSignal,
  ): Promise<void> {
    const at = io.clock.now();
    const held = waitMs(sent, settings.email_max_per_10_minutes, at);
    if (held > 0)
      throw new LaresError(
        'RATE_LIMITED',
        `${settings.email_max_per_10_minutes} mails went out within 10 minutes; the rest comes in one digest`,
        { retryAfterMs: held },
      );
    const route = addresses(settings, action);
    const to = route.to.filter((one) => !alerts.every(({ id }) => had.get(id)?.has(one) === true));
    // Counted before it goes: mails to others may go at the same time.
    sent = [...sent.filter((t) => at - t < windowMs), at];
    const pictures = await collect(alerts);
    const both = AbortSignal.any([signal, life.signal]);
    let putOff: readonly Refusal[];
    try {
      putOff = await transmit(settings, { ...route, now: to }, alerts, pictures, both, io);
    } catch (error) {
      sent = sent.toSpliced(sent.indexOf(at), 1);
      // Who has been put off keeps no other mail waiting.
      throw to.length === route.to.length ? error : new LaresError('BAD_REPLY', reason(error));
    }
    for (const { id } of alerts) {
      const before = had.get(id) ?? [];
      had.delete(id);
      if (putOff.length === 0) continue;
      had.set(id, new Set([...before, ...to.filter((one) => !putOff.some((r) => r.recipient === one))]));
      for (const old of had.keys()) if (had.size > mostPartial) had.delete(old);
    }
    if (putOff.length > 0)
      throw new LaresError(
        'BAD_REPLY',
        `the mail server ${route.server} puts off ${told(putOff, settings)}; the other recipients have the mail`,
      );
  }

  return {
    deliver: (alert, action, signal) => send([alert], action, signal),
    digest: send,
    check: (signal) => checkServer(settings, AbortSignal.any([signal, life.signal])),
    close: async () => life.abort(),
  };
}

function compose(alerts: readonly AlertMessage[], pictures: readonly Picture[], timeZone: string): MailText {
  const places = new Map(pictures.map(({ alert }, i) => [alert, i]));
  return alerts.length === 1
    ? alertMail(alerts[0]!, pictures.length > 0, timeZone)
    : digestMail(alerts, places, timeZone);
}

async function collect(alerts: readonly AlertMessage[]): Promise<Picture[]> {
  const pictures: Picture[] = [];
  let bytes = 0;
  for (const alert of alerts.toSorted((a, b) => b.at - a.at).slice(0, mostPictures)) {
    const picture = await readPicture(alert.snapshot);
    if (picture === undefined || bytes + picture.length > mostPictureBytes) continue;
    bytes += picture.length;
    pictures.push({ alert: alert.id, bytes: picture });
  }
  return pictures;
}

/** What a server said of one recipient. */
interface Refusal {
  readonly recipient?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

const told = (
  refusals: readonly Refusal[],
  { smtp_username: user, smtp_password: password }: MonitoringConfig,
) => refusals.map((r) => `${r.recipient}${quoted(r.response, spellings(user, password))}`).join(', ');

/** Sends one mail, which is addressed to `to`, to those of `now`. Returns those whom the server takes later, perhaps. */
async function transmit(
  settings: MonitoringConfig,
  { server, from, to, now }: ReturnType<typeof addresses> & { readonly now: readonly string[] },
  alerts: readonly AlertMessage[],
  pictures: readonly Picture[],
  signal: AbortSignal,
  io: ChannelIo,
): Promise<readonly Refusal[]> {
  const transport = await connectTo(settings, server);
  const urgent = alerts.some((a) => a.severity === 'critical');
  try {
    const { rejectedErrors = [] } = await transport.sendMail({
      signal,
      from,
      to,
      envelope: { from, to: [...now] },
      ...compose(alerts, pictures, io.timeZone),
      messageId: messageId(
        alerts.map((a) => a.id),
        from,
      ),
      date: new Date(io.clock.now()),
      ...(urgent ? { priority: 'high' as const } : {}),
      // Nobody's holiday notice should answer a camera (RFC 3834).
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      attachments: pictures.map(({ bytes }, i) => ({
        filename: `snapshot-${i + 1}.jpg`,
        content: bytes,
        contentType: 'image/jpeg',
        cid: pictureId(i),
        contentDisposition: 'inline' as const,
      })),
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const [passing, lasting] = [true, false].map((passes) =>
      (rejectedErrors as readonly Refusal[]).filter((r) => (r.responseCode ?? 0) < 500 === passes),
    );
    if (lasting!.length > 0)
      io.log.warn(
        `email error: the mail server ${server} refuses ${told(lasting!, settings)}; check email_to`,
      );
    return passing!;
  } catch (error) {
    // RFC 3463 class 5.3.4 and reply 552: too big. The words fit.
    if (pictures.length > 0 && isTooBig(error))
      return await transmit(settings, { server, from, to, now }, alerts, [], signal, io);
    throw smtpError(error, server, spellings(settings.smtp_username, settings.smtp_password));
  } finally {
    transport.close();
  }
}

const isTooBig = (error: unknown): boolean => {
  const { responseCode, message } = error as { responseCode?: number; message: string };
  return responseCode === 552 || /larger than allowed|5\.3\.4/.test(message);
};

function addresses(settings: MonitoringConfig, action: EmailAction) {
  const { smtp_server: server, email_from: from, email_alerts_enabled: enabled } = settings;
  const to = action.to ?? settings.email_to;
  if (!enabled || server === undefined || from === undefined || to === undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      'mails are off; set monitoring.email_alerts_enabled: true, with email_to, email_from and smtp_server',
    );
  return { server, from, to };
}

async function connectTo(settings: MonitoringConfig, host: string) {
  const { createTransport } = await import('nodemailer');
  const { smtp_port: port, smtp_security, smtp_username: user, smtp_password: pass, smtp_ca_file } = settings;
  const { verify, ...tls } = protection(smtp_security, host, port);
  return createTransport({
    host,
    port,
    ...tls,
    ...(user === undefined || pass === undefined ? {} : { auth: { user, pass } }),
    tls: { rejectUnauthorized: verify, minVersion: 'TLSv1.2', ...authority(smtp_ca_file) },
    connectionTimeout: connectMs,
    dnsTimeout: connectMs,
    greetingTimeout: greetingMs,
    socketTimeout: silenceMs,
    logger: false,
  });
}

function authority(file: string | undefined): { ca?: Buffer } {
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (error) {
    throw new LaresError('CONFIG_INVALID', `smtp_ca_file ${file} cannot be read: ${reason(error)}`);
  }
}

/** Signs in and sends nothing. */
async function checkServer(settings: MonitoringConfig, signal: AbortSignal): Promise<ChannelHealth> {
  if (!settings.email_alerts_enabled) return { state: 'off', detail: 'email_alerts_enabled is false' };
  const { server } = addresses(settings, { type: 'email' });
  let transport: Awaited<ReturnType<typeof connectTo>> | undefined;
  try {
    transport = await connectTo(settings, server);
    const aborted = new Promise<never>((_, reject) => {
      const stop = () => reject(new LaresError('TIMEOUT', `${server} did not answer in time`));
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
    });
    await Promise.race([transport.verify(), aborted]);
    return { state: 'ok', detail: `${server} takes mails; none was sent` };
  } catch (error) {
    const secrets = spellings(settings.smtp_username, settings.smtp_password);
    const told = error instanceof LaresError ? error : smtpError(error, server, secrets);
    return { state: 'down', detail: told.message };
  } finally {
    transport?.close();
  }
}
