import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';

const meta = (m: SettingMeta): SettingMeta => m;

/** One mail address without a display name: nothing in it can end a header or begin another recipient. */
export const mailAddress = z
  .string()
  .max(254)
  .regex(
    /^[^\s@<>"(),:;\\[\]\p{Cc}]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u,
    'expected an e-mail address like alex@example.org',
  );

/** One address or a list of them; a list either way afterwards. */
export const mailAddresses = z.union([
  mailAddress.transform((one) => [one]),
  z.array(mailAddress).min(1).max(20),
]);

export const loopbackHost = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** The settings of mail, with the names of the original. */
export const emailSettings = {
  email_alerts_enabled: z
    .boolean()
    .default(false)
    .meta(meta({ title: 'Mail alerts', description: 'Whether rules may send mails', reload: 'live' })),
  email_to: mailAddresses.optional().meta(
    meta({
      title: 'To',
      description: 'Who gets the mails: an address or a list',
      reload: 'live',
      examples: ['alex@example.org', ['alex@example.org', 'sam@example.org']],
    }),
  ),
  email_from: mailAddress.optional().meta(
    meta({
      title: 'From',
      description: 'Sender of the mails',
      reload: 'live',
      examples: ['cctv@example.org'],
    }),
  ),
  smtp_server: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?$|^::1$/, 'expected a host name or an IP address')
    .optional()
    .meta(
      meta({
        title: 'Mail server',
        description: 'Host that takes the mails',
        reload: 'live',
        examples: ['smtp.example.org'],
      }),
    ),
  smtp_port: z
    .int()
    .min(1)
    .max(65_535)
    .default(587)
    .meta(
      meta({ title: 'Port', description: '587 for STARTTLS, 465 for TLS from the start', reload: 'live' }),
    ),
  smtp_security: z
    .enum(['auto', 'starttls', 'tls', 'none'])
    .default('auto')
    .meta(
      meta({
        title: 'Encryption',
        description:
          'auto: TLS on port 465, otherwise STARTTLS is required, except by a server on this machine. none sends in clear, without a password',
        reload: 'live',
      }),
    ),
  smtp_username: z
    .string()
    .min(1)
    .max(320)
    .optional()
    .meta(
      meta({ title: 'User name', description: 'Leave out for a server without sign-in', reload: 'live' }),
    ),
  smtp_password: z
    .string()
    .min(1)
    .max(1_000)
    .optional()
    .meta(
      meta({
        title: 'Password',
        description: 'Of that user; Gmail and others want an app password here',
        reload: 'live',
        secret: true,
      }),
    ),
  smtp_ca_file: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta({
        title: 'Authority of the certificate',
        description: 'PEM file of a private authority that signed the certificate of the mail server',
        reload: 'live',
        examples: ['/etc/ssl/home-ca.pem'],
      }),
    ),
  email_max_per_10_minutes: z
    .int()
    .min(1)
    .max(100)
    .default(6)
    .meta(
      meta({
        title: 'Most mails in 10 minutes',
        description: 'What is beyond waits and comes in one digest',
        reload: 'live',
      }),
    ),
};

interface EmailValues {
  readonly email_alerts_enabled: boolean;
  readonly email_to?: unknown;
  readonly email_from?: unknown;
  readonly smtp_server?: string | undefined;
  readonly smtp_security: string;
  readonly smtp_username?: string | undefined;
  readonly smtp_password?: string | undefined;
}

/** What does not fit together in the settings of mail: the key it is about, and the sentence. */
export function emailProblems(mail: EmailValues): { key: string; message: string }[] {
  const needed = ['email_to', 'email_from', 'smtp_server'] as const;
  const missing = mail.email_alerts_enabled ? needed.filter((key) => mail[key] === undefined) : [];
  const away = mail.smtp_server !== undefined && !loopbackHost.test(mail.smtp_server);
  return [
    ...missing.map((key) => ({ key, message: `${key} is needed while email_alerts_enabled is true` })),
    ...(mail.smtp_security === 'none' && mail.smtp_username !== undefined && away
      ? [{ key: 'smtp_security', message: 'a password is never sent in clear; use starttls or tls' }]
      : []),
    ...((mail.smtp_username === undefined) === (mail.smtp_password === undefined)
      ? []
      : [{ key: 'smtp_password', message: 'smtp_username and smtp_password go together' }]),
  ];
}
