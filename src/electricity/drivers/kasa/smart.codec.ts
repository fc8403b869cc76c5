import { Buffer } from 'node:buffer';
import type { Values } from '../../model.ts';
import { idText, macDigits } from './iot.codec.ts';
import { finite, label, list, record, type Json } from '../shared/json.codec.ts';

/** One method and its parameters. */
export interface SmartCall {
  readonly method: string;
  readonly params?: object;
}

/** What came back for one method. */
export interface SmartAnswer {
  readonly code: number;
  readonly result: Json;
}

/** More than this many methods in one batch are refused by some firmware. */
export const mostInBatch = 5;

/** What `error_code` means, where it asks for something special. */
export const smartErrors = {
  /** The session is over: log in again. */
  session: new Set([9999, -40401, 40401]),
  /** The login is not accepted. */
  login: new Set([-1501, 1003, -1504, -1505]),
  /** This device does not have the method. */
  unknown: new Set([-1001, -1002, -1008, -1010, -1011, -40101]),
  /** Batches do not work: JSON could not be decoded, the method is unknown, or the batch as a whole failed. */
  batch: new Set([-1001, -1002, -1003, -1008, 1200, -1200]),
} as const;

const methodName = /^[A-Za-z_]{1,48}$/;

export function smartRequest(call: SmartCall, now: number): string {
  const { method, params } = call;
  return JSON.stringify({ method, ...(params !== undefined && { params }), request_time_milis: now });
}

export function batchOf(calls: readonly SmartCall[]): SmartCall {
  return calls.length === 1 ? calls[0]! : { method: 'multipleRequest', params: { requests: calls } };
}

/** The same call, passed on to a device behind a strip. */
export function toChild(deviceId: string, call: SmartCall): SmartCall {
  return { method: 'control_child', params: { device_id: deviceId, requestData: call } };
}

/** A reply, or the reply of a child inside it. A reply without a code is not of this family: undefined. */
export function parseSmart(reply: Json): SmartAnswer | undefined {
  const code = finite(reply['error_code']);
  return code === undefined ? undefined : { code, result: record(reply['result']) };
}

/** The reply of a child: `result.responseData`. */
export function parseChild(answer: SmartAnswer): SmartAnswer | undefined {
  if (answer.code !== 0) return answer;
  return parseSmart(record(answer.result['responseData']));
}

/** The answers of a batch by method; a method that is missing there got none. */
export function parseBatch(
  calls: readonly SmartCall[],
  answer: SmartAnswer,
): ReadonlyMap<string, SmartAnswer> {
  const first = calls[0];
  if (calls.length === 1 && first !== undefined) return new Map([[first.method, answer]]);
  const found = new Map<string, SmartAnswer>();
  for (const item of list(answer.result['responses'])) {
    const one = record(item);
    const [method, parsed] = [one['method'], parseSmart(one)];
    if (typeof method === 'string' && methodName.test(method) && parsed !== undefined)
      found.set(method, parsed);
  }
  return found;
}

export interface SmartInfo {
  readonly deviceId: string | undefined;
  /** As the device wants it in `control_child`. */
  readonly rawId: string | undefined;
  readonly mac: string | undefined;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly on: boolean | undefined;
  /** 1, 2, … of a socket of a strip. */
  readonly position: number | undefined;
}

/** `get_device_info`, and the entries of `get_child_device_list`. Names travel as base64 of UTF-8. */
export function parseInfo(result: Json): SmartInfo {
  const nickname = label(result['nickname'], 256);
  const rawId = label(result['device_id'], 64);
  return {
    deviceId: idText(rawId),
    rawId,
    mac: macDigits(result['mac']),
    name: nickname === undefined ? undefined : label(Buffer.from(nickname, 'base64').toString('utf8')),
    model: label(result['model']),
    firmware: label(result['fw_ver']),
    on: typeof result['device_on'] === 'boolean' ? result['device_on'] : undefined,
    position: finite(result['position']),
  };
}

/** Names of the components that `component_nego` lists; undefined when it says nothing. */
export function parseComponents(result: Json): ReadonlySet<string> | undefined {
  const names = list(result['component_list']).map((item) => label(record(item)['id']));
  return names.length === 0 ? undefined : new Set(names.filter((n) => n !== undefined));
}

export interface SmartMeter {
  readonly usage: Json | undefined;
  readonly emeter: Json | undefined;
  readonly power: Json | undefined;
}

/**
 * Readings of a SMART device. Power from `get_emeter_data` (mW), else `get_energy_usage` (mW), else `get_current_power`
 * (whole W). The counter is `month_energy` (Wh): it survives power cuts and starts again once a month, while
 * `today_energy` starts again every night and `energy_wh` of the emeter means different things in different firmware.
 */
export function parseMeter({ usage = {}, emeter = {}, power = {} }: SmartMeter): Values {
  const milli = finite(emeter['power_mw']) ?? finite(usage['current_power']);
  const watts = milli === undefined ? finite(power['current_power']) : milli / 1_000;
  const [voltage, current] = [finite(emeter['voltage_mv']), finite(emeter['current_ma'])];
  const unmeasured = voltage === 0;
  const month = finite(usage['month_energy']);
  return {
    ...(watts !== undefined && { power_watts: watts }),
    ...(voltage !== undefined && !unmeasured && { voltage_volts: voltage / 1_000 }),
    ...(current !== undefined && !unmeasured && { current_amps: current / 1_000 }),
    ...(month !== undefined && month >= 0 && { energy_wh: month }),
  };
}
