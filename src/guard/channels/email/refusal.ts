import { LaresError, type Code } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';
import { oneLine } from './mail.render.ts';

/** What nodemailer says of a failure. */
interface SmtpFailure {
  readonly code?: string;
  readonly message: string;
  /** The reply code of RFC 5321 that ended it, and the reply itself. */
  readonly responseCode?: number;
  readonly response?: string;
}

const certificate = /certificate|self-signed|CERT|altname|wrong version number/i;

/**
 * The error of a failed mail, with what to do about it. 4yz replies pass by themselves, 5yz do not (RFC 5321, 4.2.1).
 * What the server says is quoted, bounded, without the secrets.
 */
export function smtpError(error: unknown, place: string, secrets: readonly string[]): LaresError {
  const failure = error as SmtpFailure;
  const quote = quoted(failure.response, secrets);
  const [code, text] = meaning(failure);
  return new LaresError(code, `the mail server ${place} ${text}${quote}`);
}

function meaning({ code, message, responseCode = 0 }: SmtpFailure): readonly [Code, string] {
  const passes = responseCode >= 400 && responseCode < 500;
  if (code === 'EAUTH')
    return passes
      ? ['UNREACHABLE', 'cannot check the password at the moment']
      : [
          'AUTH_REFUSED',
          'refuses the user name or password; check smtp_username and smtp_password (Gmail and others want an app password)',
        ];
  if (certificate.test(message))
    return [
      'CONFIG_INVALID',
      `has a certificate that cannot be trusted (${oneLine(message, 120)}); set smtp_ca_file, or check smtp_server and smtp_port`,
    ];
  if (code === 'ETLS')
    return [
      'CONFIG_INVALID',
      'offers no STARTTLS, so nothing was sent; check smtp_port, or set smtp_security',
    ];
  if (code === 'ETIMEDOUT' || code === 'EABORT') return ['TIMEOUT', 'did not finish in time'];
  if (passes) return ['UNREACHABLE', 'takes no mail at the moment'];
  if (code === 'EENVELOPE')
    return ['NOT_FOUND', 'refuses the sender or the recipient; check email_from and email_to'];
  if (code === 'EMESSAGE') return ['BAD_REPLY', 'does not accept this mail'];
  return ['UNREACHABLE', `could not be used: ${oneLine(explained(error(message, code)), 160)}`];
}

// nodemailer writes the system code (`ECONNREFUSED`) into the message and its own into `code`.
function error(message: string, code: string | undefined): Error {
  const errno =
    /\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? (/^E(CONN|HOST|NET|AI)/.test(code ?? '') ? code : undefined);
  return Object.assign(new Error(message), errno === undefined ? {} : { code: errno });
}

/** What a server said, without the secrets; empty where it said nothing. */
export function quoted(response: string | undefined, secrets: readonly string[]): string {
  if (response === undefined || response === '') return '';
  let text = oneLine(response, 1_000);
  for (const secret of secrets) text = text.replaceAll(secret, '[secret]');
  return `: ${JSON.stringify(text.slice(0, 160))}`;
}

/** A password in the forms in which SMTP carries it (RFC 4616 PLAIN, LOGIN). */
export function spellings(user: string | undefined, password: string | undefined): string[] {
  if (password === undefined) return [];
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return [password, base64(password), base64(`\0${user ?? ''}\0${password}`)].toSorted(
    (a, b) => b.length - a.length,
  );
}
