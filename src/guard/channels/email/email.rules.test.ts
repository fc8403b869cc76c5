import fc from 'fast-check';
import { expect, test } from 'vitest';
import { monitoringConfig } from '../config.ts';
import { someAlert } from '../fixture.ts';
import { waitMs, windowMs } from './limit.rules.ts';
import { alertMail, digestMail, oneLine } from './mail.render.ts';
import { messageId } from './message-id.ts';
import { protection } from './security.rules.ts';

test('what is not on this machine needs TLS: from the start on port 465, otherwise STARTTLS', () => {
  const verified = { ignoreTLS: false, verify: true };
  expect(protection('auto', 'smtp.example.org', 587)).toEqual({
    secure: false,
    requireTLS: true,
    ...verified,
  });
  expect(protection('auto', 'smtp.example.org', 25)).toEqual({
    secure: false,
    requireTLS: true,
    ...verified,
  });
  expect(protection('auto', 'smtp.example.org', 465)).toEqual({
    secure: true,
    requireTLS: false,
    ...verified,
  });
  expect(protection('tls', 'localhost', 2525)).toEqual({ secure: true, requireTLS: false, ...verified });
  expect(protection('starttls', 'localhost', 587)).toEqual({ secure: false, requireTLS: true, ...verified });
  expect(protection('none', '192.0.2.5', 25)).toEqual({
    secure: false,
    requireTLS: false,
    ignoreTLS: true,
    verify: true,
  });
  for (const here of ['localhost', '127.0.0.1', '::1'])
    expect(protection('auto', here, 25)).toEqual({
      secure: false,
      requireTLS: false,
      ignoreTLS: false,
      verify: false,
    });
});

test('in no stretch of ten minutes more mails go than the limit, and none waits longer than that', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.nat(300_000), { maxLength: 60 }),
      (most, gaps) => {
        const sent: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          const wait = waitMs(sent, most, now);
          expect(wait).toBeLessThanOrEqual(windowMs);
          now += wait;
          sent.push(now);
        }
        for (const at of sent)
          expect(sent.filter((other) => other >= at && other < at + windowMs).length).toBeLessThanOrEqual(
            most,
          );
      },
    ),
  );
});

test('no text can break out of its line, and none can become markup', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const alert = someAlert({ text, cameraName: text, ruleName: text, label: text });
      const mail = alertMail(alert, true, 'UTC');
      expect(mail.subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(mail.subject.length).toBeLessThanOrEqual(120);
      expect(
        mail.html.replaceAll(
          /<\/?(html|body|h2|p|table|tr|td|ul|li)>|<img src="cid:[^"]*" alt="" width="640">/g,
          '',
        ),
      ).not.toMatch(/[<>"]/);
      expect(digestMail([alert, alert], new Map(), 'UTC').text.split('\n')).toHaveLength(5);
    }),
    { numRuns: 30 },
  );
  expect(oneLine(`${'x'.repeat(119)}😀`, 120)).toBe('x'.repeat(119));
  expect(oneLine('a\r\nb\u2028c\u0000d')).toBe('a b c d');
});

test('a Message-ID is the same for the same alerts in any order, and differs for others', () => {
  expect(messageId(['01ABC'], 'cctv@example.org')).toBe('<01ABC@example.org>');
  expect(messageId(['a', 'b'], 'x@y.org')).toBe(messageId(['b', 'a'], 'x@y.org'));
  expect(messageId(['a', 'b'], 'x@y.org')).not.toBe(messageId(['a', 'c'], 'x@y.org'));
  expect(messageId(['a\r\nb'], 'x@y.org')).toMatch(/^<[0-9a-f]{40}@y\.org>$/);
});

test('the section of the original is read as it is', () => {
  expect(
    monitoringConfig.parse({
      email_alerts_enabled: true,
      email_to: 'your@example.com',
      email_from: 'cctv@example.com',
      smtp_server: 'smtp.example.com',
      smtp_port: 587,
    }),
  ).toEqual({
    email_alerts_enabled: true,
    email_to: ['your@example.com'],
    email_from: 'cctv@example.com',
    smtp_server: 'smtp.example.com',
    smtp_port: 587,
    smtp_security: 'auto',
    email_max_per_10_minutes: 6,
    webhooks: [],
  });
  expect(monitoringConfig.parse(undefined).email_alerts_enabled).toBe(false);
});

test.each([
  [{ email_alerts_enabled: true }, 'email_to is needed while email_alerts_enabled is true'],
  [{ email_to: 'a@b.org\r\nBcc: c@d.org' }, 'expected an e-mail address'],
  [{ email_to: ['Alex <a@b.org>'] }, 'expected an e-mail address'],
  [{ smtp_server: 'a b' }, 'expected a host name'],
  [{ smtp_username: 'x' }, 'smtp_username and smtp_password go together'],
  [
    { smtp_server: 'smtp.example.org', smtp_security: 'none', smtp_username: 'x', smtp_password: 'y' },
    'a password is never sent in clear',
  ],
  [{ emial_to: 'a@b.org' }, 'emial_to'],
])('the settings %j are refused', (raw, why) => {
  expect(() => monitoringConfig.parse(raw)).toThrow(why);
});
