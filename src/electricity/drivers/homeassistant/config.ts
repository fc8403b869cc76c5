import { z } from 'zod';
import { entityId } from '#platform/homeassistant/config.ts';
import { pollSettings } from '../../driver.ts';
import { quantities, type Quantity } from '../../model.ts';

const quantityNames = Object.keys(quantities) as [Quantity, ...Quantity[]];

const entitySettings = z
  .strictObject({
    entity: entityId.meta({
      title: 'Entity',
      description: 'A sensor of Home Assistant that measures',
      reload: 'live',
      examples: ['sensor.heat_pump_power'],
    }),
    name: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({
        title: 'Name',
        description:
          'What to call the device; entities of one name are one device. The name in Home Assistant unless set',
        reload: 'live',
        examples: ['Heat pump'],
      }),
    quantity: z.enum(quantityNames).optional().meta({
      title: 'Quantity',
      description:
        'What it measures, where Home Assistant does not say it or says it wrongly: export_wh for a feed-in counter',
      reload: 'live',
    }),
    energy: entityId.optional().meta({
      title: 'Energy counter',
      description: 'The sensor that counts the energy of the same device',
      reload: 'live',
      examples: ['sensor.heat_pump_energy'],
    }),
    switch: entityId.optional().meta({
      title: 'Switch',
      description: 'The entity that switches the same device',
      reload: 'live',
      examples: ['switch.heat_pump'],
    }),
  })
  .meta({ title: 'Entity', description: 'A device that Home Assistant measures' });

export const config = z
  .strictObject({
    auto: z.boolean().default(false).meta({
      title: 'All devices',
      description:
        'True takes every device of Home Assistant that measures power or energy, with its voltage, current and switch',
      reload: 'live',
    }),
    entities: z.array(entitySettings).max(1000).default([]).meta({
      title: 'Entities',
      description: 'Single entities, with names of your own',
      reload: 'live',
    }),
    report_interval_seconds: z.number().min(1).max(3600).default(30).meta({
      title: 'Report interval',
      description:
        'Changes come at once; a value that does not change is reported again so often, and read so often where nothing is pushed',
      unit: 's',
      reload: 'live',
    }),
    discovery_interval_seconds: pollSettings.discovery_interval_seconds,
  })
  .refine(({ auto, entities }) => auto || entities.length > 0, {
    error: 'set auto: true, or name entities',
  })
  .meta({
    title: 'Energy from Home Assistant',
    description: 'Power and energy that Home Assistant knows; its address and token are under homeassistant',
  });

export type HomeAssistantEnergyConfig = z.infer<typeof config>;
export type EntitySettings = z.infer<typeof entitySettings>;

export const example = {
  auto: false,
  report_interval_seconds: 30,
  entities: [
    {
      entity: 'sensor.heat_pump_power',
      name: 'Heat pump',
      energy: 'sensor.heat_pump_energy',
      switch: 'switch.heat_pump',
    },
    { entity: 'sensor.solar_export', name: 'Solar', quantity: 'export_wh' },
  ],
};
