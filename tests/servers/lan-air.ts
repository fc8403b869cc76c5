/**
 * The far end of a test LAN: one process that answers ARP for many hosts, with loss, latency and hosts that are deaf to
 * broadcasts. Runs inside a network namespace: `lan-air.ts INTERFACE JSON`. Commands are JSON lines on stdin.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { buildArp, parseArp } from '#devices/lan/codec/arp.ts';
import { broadcastMac, etherType, parseEthernet } from '#devices/lan/codec/ethernet.ts';
import { formatIpv4, parseIpv4 } from '#devices/lan/codec/ipv4.ts';
import { openPacketSocket } from '#devices/lan/packet-socket.ts';
import { lineReader } from '#devices/lan/raw-protocol.ts';
import type { AirCommand, AirCounts, AirOptions } from './lan.ts';

const [name = 'eth0', json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json) as AirOptions;
const hosts = new Map(options.hosts.map((host) => [parseIpv4(host.ip) ?? 0, { ...host }]));
const socket = openPacketSocket(name, false);
const targets = new Set<number>();
const counts: Omit<AirCounts, 'targets'> = { arp: 0, other: {} };

function dice(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
const seed = options.seed ?? Date.now();
const random = dice(seed);
// Each host has dice of its own: which of its broadcasts are lost does not depend on who else was asked when.
const losses = new Map([...hosts.keys()].map((ip) => [ip, dice(Math.imul(seed ^ ip, 0x9e3779b1))]));
const isLost = (ip: number) => (losses.get(ip)?.() ?? 1) < (options.broadcastLoss ?? 0);

function answer(frame: Uint8Array): void {
  const ethernet = parseEthernet(frame);
  if (ethernet === undefined) return;
  if (ethernet.type !== etherType.arp) {
    const kind = `0x${ethernet.type.toString(16)}`;
    counts.other[kind] = (counts.other[kind] ?? 0) + 1;
    return;
  }
  const arp = parseArp(ethernet.payload);
  if (arp === undefined || arp.op !== 'request') return;
  counts.arp += 1;
  targets.add(arp.targetIp);
  const host = hosts.get(arp.targetIp);
  if (host === undefined || host.silent === true) return;
  const broadcast = ethernet.to === broadcastMac;
  if (broadcast && (host.deaf === true || isLost(arp.targetIp))) return;
  if (!broadcast && ethernet.to !== host.mac) return;
  const [least, most] = options.latencyMs ?? [0, 0];
  const reply = buildArp(
    {
      op: 'reply',
      senderMac: host.mac,
      senderIp: arp.targetIp,
      targetMac: arp.senderMac,
      targetIp: arp.senderIp,
    },
    arp.senderMac,
  );
  const latency = least + random() * (most - least);
  if (latency < 1) socket.send(reply);
  else setTimeout(() => socket.send(reply), latency);
}

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

const actions: { [K in AirCommand['do']]: (command: Extract<AirCommand, { do: K }>) => void } = {
  counts: () => say({ ...counts, targets: [...targets].toSorted((a, b) => a - b).map(formatIpv4) }),
  change: (command) => {
    const ip = parseIpv4(command.host.ip) ?? 0;
    hosts.set(ip, { ...command.host });
  },
  send: (command) => void socket.send(Buffer.from(command.hex, 'hex')),
  announce: (command) => {
    const ip = parseIpv4(command.ip) ?? 0;
    socket.send(
      buildArp({
        op: 'request',
        senderMac: command.mac,
        senderIp: ip,
        targetMac: '00:00:00:00:00:00',
        targetIp: ip,
      }),
    );
  },
};

process.stdin.on(
  'data',
  lineReader((line) => {
    const command = JSON.parse(line) as AirCommand;
    (actions[command.do] as (c: AirCommand) => void)(command);
  }),
);
process.stdin.on('end', () => process.exit(0));
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
say({ ready: [...hosts.keys()].map(formatIpv4).length });
// The test may take the link down and up again; the socket survives that.
while (!stop.signal.aborted) {
  try {
    await socket.receive(answer, stop.signal);
  } catch {
    await wait(50);
  }
}
process.exit(0);
