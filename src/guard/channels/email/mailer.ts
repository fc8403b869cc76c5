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
import { smtpError, spellings } from './refusal.ts';
import { protection } from './security.rules.ts';

/** Pictures of a digest: the newest ones, as many as a mailbox takes without complaint. */
const mostPictures = 10;
const mostPictureBytes = 8 * 2 ** 20;

const connectMs = 10_000;
const silenceMs = 20_000;

interface Picture {
  readonly alert: string;
  readonly bytes: Buffer;
}

/** Mail through the SMTP server of the settings. The library is loaded by those who send. */
export function openMail(settings: MonitoringConfig, io: ChannelIo): OpenChannel<EmailAction> {
  const sent: number[] = [];
  const life = new AbortController();

  async function send(
    alerts: readonly AlertMessage[],
    action: EmailAction,
    signal: AbortSignal,
  ): Promise<void> {
    const held = waitMs(sent, settings.email_max_per_10_minutes, io.clock.now());
    if (held > 0)
      throw new LaresError(
        'RATE_LIMITED',
        `${settings.email_max_per_10_minutes} mails went out within 10 minutes; the rest comes in one digest`,
        { retryAfterMs: held },
      );
    const pictures = await collect(alerts);
    const both = AbortSignal.any([signal, life.signal]);
    await transmit(settings, compose(alerts, pictures, io.timeZone), alerts, action, pictures, both, io);
    const now = io.clock.now();
    sent.splice(0, sent.length, ...sent.filter((at) => now - at < windowMs), now);
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

async function transmit(
  settings: MonitoringConfig,
  mail: MailText,
  alerts: readonly AlertMessage[],
  action: EmailAction,
  pictures: readonly Picture[],
  signal: AbortSignal,
  io: ChannelIo,
): Promise<void> {
  const { server, from, to } = addresses(settings, action);
  const transport = await connectTo(settings, server);
  const urgent = alerts.some((a) => a.severity === 'critical');
  try {
    const { rejected } = await transport.sendMail({
      signal,
      from,
      to,
      ...mail,
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
    if (rejected.length > 0)
      io.log.warn(`the mail server ${server} took the mail but refused ${rejected.length} of its recipients`);
  } catch (error) {
    // RFC 3463 class 5.3.4 and reply 552: too big. The words fit.
    if (pictures.length > 0 && isTooBig(error))
      return await transmit(settings, compose(alerts, [], io.timeZone), alerts, action, [], signal, io);
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
    greetingTimeout: connectMs,
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
