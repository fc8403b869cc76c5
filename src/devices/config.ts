import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { networkProblem, parseNetwork } from './lan/codec/ipv4.ts';

const meta = (m: SettingMeta) => m;

const network = z.string().transform((text, context) => {
  const problem = networkProblem(text);
  if (problem === undefined) return parseNetwork(text).cidr;
  context.addIssue(problem);
  return z.NEVER;
});

/** The top-level section `wifi`: which LAN is watched, and how hard. */
export const wifiConfig = z
  .strictObject({
    networks: z
      .array(network)
      .default([])
      .refine((all) => new Set(all).size === all.length, 'a network is named twice')
      .meta(
        meta({
          title: 'Networks',
          description:
            'The networks (CIDR, /16 or smaller) that are scanned. Nothing outside them is ever asked',
          reload: 'live',
          examples: [['192.0.2.0/24']],
        }),
      ),
    interface: z
      .string()
      .regex(/^[^\s/]{1,15}$/, 'expected the name of a network interface like eth0 or wlan0')
      .optional()
      .meta(
        meta({
          title: 'Interface',
          description: 'The interface to scan on; found by its address when not given',
          reload: 'live',
          examples: ['wlan0'],
        }),
      ),
    mode: z
      .enum(['auto', 'raw', 'kernel'])
      .default('auto')
      .meta(
        meta({
          title: 'Method',
          description:
            'raw: ARP of our own and passive listening, needs CAP_NET_RAW. kernel: without any privilege, slower. auto: raw where it is allowed',
          reload: 'live',
        }),
      ),
    scan_interval_seconds: z
      .number()
      .min(5)
      .max(300)
      .default(30)
      .meta(
        meta({
          title: 'Scan interval',
          description: 'Time from the start of one sweep of all networks to the next',
          unit: 's',
          reload: 'live',
        }),
      ),
    probe_interval_seconds: z
      .number()
      .min(2)
      .max(300)
      .default(10)
      .meta(
        meta({
          title: 'Probe interval',
          description:
            'How often a silent phone of a person is asked directly; three times as often when it is about to be missed',
          unit: 's',
          reload: 'live',
        }),
      ),
    max_frames_per_second: z
      .number()
      .int()
      .min(50)
      .max(20_000)
      .optional()
      .meta(
        meta({
          title: 'Frame limit',
          description:
            'The most questions put on the air per second. Default: 500 by raw ARP (more for networks that would take longer than 20 s), 1000 by the kernel',
          unit: 'frames/s',
          reload: 'live',
        }),
      ),
    retries: z
      .number()
      .int()
      .min(0)
      .max(8)
      .default(4)
      .meta(
        meta({
          title: 'Retries',
          description:
            'The most rounds after the first when the network loses frames; a lossless network gets none',
          reload: 'live',
        }),
      ),
    listen: z
      .boolean()
      .default(true)
      .meta(
        meta({
          title: 'Listen',
          description:
            'Overhear ARP, DHCP and multicast DNS, so that an arrival is known within a second (method raw)',
          reload: 'live',
        }),
      ),
    resolve_names: z
      .boolean()
      .default(true)
      .meta(
        meta({
          title: 'Look up names',
          description: 'Ask devices (multicast DNS) and the resolver of this machine for host names',
          reload: 'live',
        }),
      ),
    retention_days: z
      .number()
      .int()
      .min(1)
      .max(3_660)
      .default(90)
      .meta(
        meta({
          title: 'Retention',
          description: 'Devices that belong to nobody are forgotten when not seen for so long',
          unit: 'days',
          reload: 'restart',
        }),
      ),
  })
  .prefault({})
  .meta({ title: 'Wi-Fi and LAN', description: 'The networks on which devices are looked for' });

export type WifiConfig = z.infer<typeof wifiConfig>;
