import { loopbackHost } from './config.ts';

/** How a connection to the mail server is protected. */
export interface Protection {
  /** TLS from the first byte. */
  readonly secure: boolean;
  /** Give up where STARTTLS is not offered or fails. */
  readonly requireTLS: boolean;
  /** Never use STARTTLS. */
  readonly ignoreTLS: boolean;
  /** Whether the certificate must be one for this host. */
  readonly verify: boolean;
}

const implicitTlsPort = 465;

/** What `smtp_security` means for a server and port; RFC 8314 for the ports. */
export function protection(
  security: 'auto' | 'starttls' | 'tls' | 'none',
  host: string,
  port: number,
): Protection {
  const chosen = security === 'auto' && port === implicitTlsPort ? 'tls' : security;
  if (chosen === 'tls') return { secure: true, requireTLS: false, ignoreTLS: false, verify: true };
  if (chosen === 'none') return { secure: false, requireTLS: false, ignoreTLS: true, verify: true };
  // Nobody stands between us and this machine; its mail server mostly has a certificate that nobody signed.
  const here = chosen === 'auto' && loopbackHost.test(host);
  return { secure: false, requireTLS: !here, ignoreTLS: false, verify: !here };
}
