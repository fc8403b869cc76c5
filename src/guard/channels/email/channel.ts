import { defineChannel } from '../contract.ts';
import { emailAction } from './action.ts';
import { openMail } from './mailer.ts';

/** Mails alerts through the SMTP server of `monitoring`. */
export const email = defineChannel({
  kind: 'email',
  title: 'Mail',
  action: emailAction,
  example: { type: 'email' },
  staleAfterMs: 86_400_000,
  deadlineMs: 150_000,
  patienceMs: () => 5_000,
  reads: ['monitoring'],
  concurrency: 1,
  // Recipients that a server refuses are no trouble of others.
  lane: ({ to }) => to?.toSorted().join(',') ?? '*',
  lacks: (_action, { monitoring }) =>
    monitoring.email_alerts_enabled
      ? undefined
      : 'mails are off; set monitoring.email_alerts_enabled: true, with email_to, email_from and smtp_server',
  open: ({ monitoring }, io) => openMail(monitoring, io),
});
