import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EventBook } from '#cctv/book/book.ts';
import type { CctvBody } from '#cctv/index.ts';
import { describeRtsp } from '#cctv/onvif/rtsp-client.ts';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { driveway, truthAt } from '#cctv/sim/scene.rules.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import type { Logger } from '#platform/log.ts';
import { mailSink, webhookSink, type MailSink, type WebhookSink } from './sinks.ts';
import { Skipped, Steps } from './steps.ts';
import { place, startTrialHouse, trialFolder, type TrialHouse } from './trial-house.ts';

/** Milliseconds of the drawn scene that have passed when it begins: somebody walks into the picture soon. */
const sceneLeadMs = 6_000;
const rule = 'proof';
const camera = 'proof';
const withinMetres = 3;
/** How far the told distance may be from the drawn truth, metres. */
const mostOff = 1;
const device = 'lares_proof';
const spokenSeconds = 0.5;
const wavHead = 44;
const wavRate = 22_050;
const stopWithinMs = 5_000;

const present = (program: string) =>
  new Promise<boolean>((resolve) => execFile(program, ['--version'], (error) => resolve(error === null)));

/** ALSA plays into a file: the real player on a machine without a sound card. */
function soundFile(dir: string): { readonly wav: string; readonly env: Record<string, string> } {
  mkdirSync(dir, { recursive: true });
  const [wav, config] = [path.join(dir, 'spoken.wav'), path.join(dir, 'asound.conf')];
  writeFileSync(
    config,
    `pcm.null { type null }\npcm.${device} { type file slave.pcm "null" file "${wav}" format "wav" }\n`,
  );
  return { wav, env: { ALSA_CONFIG_PATH: config } };
}

function settings(url: string, webhook: WebhookSink, mail: MailSink, speech: boolean) {
  const to = { email_to: 'alex@example.org', email_from: 'lares@example.org' };
  return {
    cameras: [{ id: camera, name: 'Drive', url }],
    processing: { detection: { classes: ['person', 'car'] } },
    speakers: speech ? [{ id: 'proof', device }] : [],
    monitoring: {
      email_alerts_enabled: true,
      ...to,
      smtp_server: '127.0.0.1',
      smtp_port: mail.port,
      webhooks: [{ id: 'proof', url: webhook.url }],
    },
    alert_rules: [
      {
        id: rule,
        classes: ['person'],
        conditions: { distance_to_reference: { reference: place.name, operator: '<', value: withinMetres } },
        presence: { residents_home: 'alert', arrivals: 'ignore' },
        actions: [
          { type: 'webhook', to: 'proof' },
          { type: 'email' },
          ...(speech ? [{ type: 'speak', speaker: 'proof' }] : []),
        ],
      },
    ],
  };
}

/** Metres from the nearest drawn person to the place of the rule at an instant. */
function trueDistance(startAt: number, at: number): number | undefined {
  const people = truthAt(driveway(startAt), at).filter((t) => t.label === 'person');
  const all = people.map(({ ground }) => Math.hypot(ground.x - place.x, ground.y - place.y));
  return all.length === 0 ? undefined : Math.min(...all);
}

export interface E2e {
  readonly passed: boolean;
  readonly seconds: number;
  readonly steps: Steps['all'];
}

/**
 * Proves the whole way from a picture to a voice on this machine, with a camera that is drawn and a house that is thrown
 * away. Touches nothing of the real one.
 */
export async function e2eTest(
  limitMs: number,
  tell: (line: string) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<E2e & { readonly text: string }> {
  const steps = new Steps(limitMs, tell, signal);
  await using life = new AsyncDisposableStack();
  const { dir, remove } = trialFolder();
  life.defer(remove);
  const [webhook, mail] = [await webhookSink(), await mailSink()];
  life.defer(() => webhook.close());
  life.defer(() => mail.close());
  const speech = (await present('espeak-ng')) && (await present('aplay'));
  const sound = soundFile(path.join(dir, 'sound'));
  const startAt = Date.now() - sceneLeadMs;
  let sim: SimulatedCameras | undefined;
  let house: TrialHouse | undefined;
  const begun =
    (await steps.step('camera', async () => {
      const show = { kind: 'scene', walkers: true, startAt, weather: [] } as const;
      sim = await startCameras([cameraSpec('/proof', show)]);
      life.defer(() => sim!.close());
      const answer = await describeRtsp(sim.url('/proof'), { timeoutMs: 5_000 });
      if (!answer.ok) throw new LaresError('UNREACHABLE', answer.detail);
      return 'a drawn drive, 640x360 H.264 over RTSP';
    })) &&
    (await steps.step('start', async () => {
      house = await startTrialHouse(dir, {
        settings: settings(sim!.url('/proof'), webhook, mail, speech),
        calibrated: [camera],
        env: sound.env,
        startMs: steps.leftMs,
        signal,
      });
      const started = house;
      life.defer(() => started.close());
      return `a house of its own at ${house.url}`;
    }));
  if (begun)
    await prove({ steps, house: house!, webhook, mail, wav: speech ? sound.wav : undefined, startAt, log });
  return { passed: steps.passed, seconds: steps.elapsedMs / 1000, steps: steps.all, text: steps.text() };
}

interface Proof {
  readonly steps: Steps;
  readonly house: TrialHouse;
  readonly webhook: WebhookSink;
  readonly mail: MailSink;
  /** Undefined where this machine has no voice. */
  readonly wav: string | undefined;
  readonly startAt: number;
  readonly log: Logger;
}

async function prove(proof: Proof): Promise<void> {
  const { steps, house, webhook, mail, wav } = proof;
  await steps.step('pictures', () =>
    steps.until('a camera that gives pictures', async () => {
      const { cameras } = await house.get<CctvBody>('/api/cctv');
      const [seen] = cameras;
      return seen?.state === 'live' && seen.decoded_fps !== null
        ? `${seen.streams.detect?.width}x${seen.streams.detect?.height} at FPS=${seen.decoded_fps.toFixed(1)}`
        : undefined;
    }),
  );
  await steps.step('detection', () =>
    steps.until('somebody in the picture', async () => {
      const { events } = await house.get<{ events: { label: string; confidence: number }[] }>(
        '/api/cctv/events',
      );
      const person = events.find((e) => e.label === 'person');
      return person && `a person, score ${person.confidence.toFixed(2)}`;
    }),
  );
  const told = await steps.step('alert', async () => {
    const { alert, at } = await steps.until('the alert', () => webhook.received[0]);
    const late = at - Date.parse(alert.seen_at);
    return `"${alert.message}", by webhook ${late} ms after the picture`;
  });
  if (told) await proveAlert(proof);
  await steps.step('page', async () => {
    const page = await fetch(house.url);
    const html = await page.text();
    if (!page.ok || !/<html/i.test(html))
      throw new LaresError('BAD_REPLY', `the page answered ${page.status}`);
    const metrics = await (await fetch(`${house.url}/metrics`)).text();
    if (!metrics.includes(camera)) throw new LaresError('BAD_REPLY', '/metrics does not name the camera');
    return `${html.length} bytes of page, ${metrics.split('\n').length} lines of metrics`;
  });
  if (told) {
    await steps.step('e-mail', () =>
      steps.until('the mail', () => {
        const text = mail.mails[0];
        const subject = text === undefined ? undefined : /^Subject: (.*)$/m.exec(text)?.[1];
        return subject && `"${subject}", ${text!.length} bytes`;
      }),
    );
    await steps.step('speech', async () => {
      if (wav === undefined)
        throw new Skipped('espeak-ng or aplay is not installed (apt install espeak-ng alsa-utils)');
      return steps.until('a voice', () => {
        const bytes = statSync(wav, { throwIfNoEntry: false })?.size ?? 0;
        const seconds = (bytes - wavHead) / 2 / wavRate;
        return seconds >= spokenSeconds && loud(wav)
          ? `${seconds.toFixed(1)} s of sound through aplay`
          : undefined;
      });
    });
  }
  await steps.step('stop', async () => {
    const { code, ms, left } = await house.stop();
    if (code !== 0 || ms > stopWithinMs || left.length > 0)
      throw new LaresError(
        'INTERNAL',
        `code ${code} after ${(ms / 1000).toFixed(1)} s${left.length === 0 ? '' : `, left behind: ${left.join(', ')}`}`,
      );
    return 'in order, and no process was left behind';
  });
}

/** Whether a file of 16 bit sound holds more than silence. */
function loud(wav: string): boolean {
  const samples = readFileSync(wav).subarray(wavHead);
  for (let i = 0; i + 1 < samples.length; i += 2) if (Math.abs(samples.readInt16LE(i)) > 1000) return true;
  return false;
}

/** What must be true of the alert that was told: its place, its rows, its picture, its video. */
async function proveAlert({ steps, house, webhook, startAt, log }: Proof): Promise<void> {
  const { alert } = webhook.received[0]!;
  await steps.step('distance', async () => {
    const real = trueDistance(startAt, Date.parse(alert.seen_at));
    if (real === undefined || alert.distance === null)
      throw new LaresError('INTERNAL', `told ${alert.distance} m, truly ${real ?? 'nobody'} there`);
    const text = `${alert.distance.toFixed(2)} m told, ${real.toFixed(2)} m true`;
    if (Math.abs(alert.distance - real) > mostOff) throw new LaresError('INTERNAL', text);
    return text;
  });
  await steps.step('events.db', async () => {
    const book = await EventBook.open({ dataDir: house.dataDir, clock: systemClock, log, guest: true });
    try {
      return await steps.until('its rows, and that everything was told', () => {
        const row = book.findAlert(alert.id);
        const event = book.event(alert.event);
        const ways = book.deliveriesOf(alert.id);
        const done = ways.every((d) => d.state === 'done');
        return row !== undefined && event !== undefined && ways.length > 0 && done
          ? `the event, the alert, and ${ways.map((d) => d.channel).join(', ')} as done`
          : undefined;
      });
    } finally {
      await book.close();
    }
  });
  const bytesOf = async (what: string) => {
    const reply = await fetch(`${house.url}/api/cctv/events/${alert.event}/${what}`);
    return reply.ok ? Buffer.from(await reply.arrayBuffer()) : undefined;
  };
  await steps.step('snapshot', () =>
    steps.until('its picture', async () => {
      const jpeg = await bytesOf('snapshot.jpg');
      return jpeg?.readUInt16BE(0) === 0xffd8 ? `${jpeg.length} bytes of JPEG` : undefined;
    }),
  );
  await steps.step('video', () =>
    steps.until('its video', async () => {
      const mp4 = await bytesOf('clip.mp4');
      return mp4?.toString('latin1', 4, 8) === 'ftyp' ? `${mp4.length} bytes of MP4` : undefined;
    }),
  );
}
