/** When simulated displays live. */
export const start = Date.UTC(2026, 10, 21, 8);

/** A message of electricity as a display publishes it; `more` replaces parts of it. */
export const electricity = (more: object = {}) => ({
  electricitymeter: {
    timestamp: '2026-11-21T08:00:00Z',
    energy: {
      export: { cumulative: 0, units: 'kWh' },
      import: {
        cumulative: 1234.567,
        day: 3.1,
        week: 20.25,
        month: 60.4,
        units: 'kWh',
        mpan: '1200012345678',
        supplier: 'Example Energy',
        price: { unitrate: 0.2703, standingcharge: 0.5351 },
      },
    },
    power: { value: 0.431, units: 'kW' },
    ...more,
  },
});
