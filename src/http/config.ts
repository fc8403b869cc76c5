import * as z from 'zod';

const loopback = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** The top-level section `http`. */
export const httpConfig = z
  .strictObject({
    host: z
      .string()
      .regex(
        loopback,
        'expected a loopback address: nothing listens further until Lares can ask for a password',
      )
      .default('127.0.0.1')
      .meta({ title: 'Address', description: 'Loopback address to listen on', reload: 'restart' }),
    port: z
      .int()
      .min(0)
      .max(65_535)
      .default(8_000)
      .meta({ title: 'Port', description: 'Port of the web page and the API', reload: 'restart' }),
    allowed_hosts: z
      .array(z.string().regex(/^[a-z0-9.-]+$/, 'expected a host name like lares.example.org'))
      .default([])
      .meta({
        title: 'Further names',
        description:
          'Names besides localhost under which a browser may ask, for a tunnel or proxy of your own',
        reload: 'restart',
        examples: [['lares.example.org']],
      }),
  })
  .prefault({})
  .meta({ title: 'Web', description: 'The status page and the API' });
