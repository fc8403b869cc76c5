import { z } from 'zod';
import { email } from './email/channel.ts';
import { mqtt } from './mqtt/channel.ts';
import { speak } from './speak/channel.ts';
import { webhook } from './webhook/channel.ts';

/** Every way to tell people. A new one is a folder beside this file and one line here. */
export const channels = { speak, email, webhook, mqtt } as const;

export type ChannelKind = keyof typeof channels;

type AnyAction = (typeof channels)[ChannelKind]['action'];

/** One entry of `actions` of a rule. */
export const actionSchema = z.discriminatedUnion(
  'type',
  Object.values(channels).map((channel) => channel.action) as [AnyAction, ...AnyAction[]],
);

export type Action = z.infer<typeof actionSchema>;
