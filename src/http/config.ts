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
  })
  .prefault({})
  .meta({ title: 'Web', description: 'The status page and the API' });
