import { createHmac } from 'node:crypto';
import type { AlertMessage } from '../../model.ts';
import { alertBody } from '../alert.render.ts';

export interface Body {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The body of one request. The boundary of multipart comes from the alert, so that a retry sends the same bytes. */
export function webhookBody(
  alert: AlertMessage,
  mode: 'none' | 'base64' | 'multipart',
  picture: Buffer | undefined,
): Body {
  const body = alertBody(alert);
  if (mode === 'base64') {
    const snapshot =
      picture === undefined ? null : { type: 'image/jpeg', base64: picture.toString('base64') };
    return json({ ...body, snapshot });
  }
  if (mode === 'none' || picture === undefined) return json(body);
  const boundary = `lares-${createHmac('sha256', 'boundary').update(alert.id).digest('hex').slice(0, 40)}`;
  const part = (headers: string, content: Buffer) =>
    Buffer.concat([Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`), content, Buffer.from('\r\n')]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([
      part(
        'Content-Disposition: form-data; name="alert"\r\nContent-Type: application/json',
        Buffer.from(JSON.stringify(body)),
      ),
      part(
        'Content-Disposition: form-data; name="snapshot"; filename="snapshot.jpg"\r\nContent-Type: image/jpeg',
        picture,
      ),
      Buffer.from(`--${boundary}--\r\n`),
    ]),
  };
}

const json = (value: unknown): Body => ({
  type: 'application/json',
  bytes: Buffer.from(JSON.stringify(value)),
});

/**
 * `t=1767225600,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`. The instant is signed too, so that a receiver can refuse what
 * somebody recorded and plays again.
 */
export function signature(secret: string, atMs: number, body: Uint8Array): string {
  const at = Math.floor(atMs / 1_000);
  return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex')}`;
}
