import { localTime } from '#platform/table.ts';
import type { AlertMessage, Severity } from '../../model.ts';

/** The longest line of text from rules and cameras that goes into a mail. */
const longest = 300;
const longestSubject = 120;

const severityWords: Readonly<Record<Severity, string>> = {
  info: 'Note',
  warning: 'Alert',
  critical: 'Critical',
};

/** A text on one line: no character of it can end a header or move the cursor of a terminal. */
export const oneLine = (text: string, most = longest): string =>
  text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim()
    .slice(0, most)
    // Half of a character at the end would become a question mark.
    .replace(/[\uD800-\uDBFF]$/, '');

const html = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** The name under which the picture of an alert is attached and shown. */
export const pictureId = (index: number): string => `snapshot-${index + 1}@lares`;

/** One alert as a mail. `pictured`: its picture is attached. */
export function alertMail(alert: AlertMessage, pictured: boolean, timeZone: string): MailText {
  const rows = facts(alert, timeZone);
  const why = alert.gates.map(({ text }) => oneLine(text));
  return {
    subject: oneLine(
      `${severityWords[alert.severity]}: ${oneLine(alert.text)} (${oneLine(alert.cameraName)})`,
      longestSubject,
    ),
    text: [
      oneLine(alert.text),
      '',
      ...rows.map(([name, value]) => `${name}: ${value}`),
      ...(why.length === 0 ? [] : ['', 'Why:', ...why.map((w) => `- ${w}`)]),
      '',
    ].join('\n'),
    html: page([
      `<h2>${html(oneLine(alert.text))}</h2>`,
      pictured ? picture(0) : '',
      `<table>${rows.map(([name, value]) => `<tr><td>${name}</td><td>${html(value)}</td></tr>`).join('')}</table>`,
      why.length === 0 ? '' : `<p>Why:</p><ul>${why.map((w) => `<li>${html(w)}</li>`).join('')}</ul>`,
    ]),
  };
}

/** Many alerts as one mail, oldest first. `pictured` has the place of the attached picture of each alert that has one. */
export function digestMail(
  alerts: readonly AlertMessage[],
  pictured: ReadonlyMap<string, number>,
  timeZone: string,
): MailText {
  const time = (at: number) => localTime(at, timeZone);
  const inOrder = alerts.toSorted((a, b) => a.at - b.at);
  const critical = alerts.filter((a) => a.severity === 'critical').length;
  const span = `${time(inOrder[0]!.at)} to ${time(inOrder.at(-1)!.at)}`;
  const line = (a: AlertMessage) =>
    `${time(a.at)}  ${severityWords[a.severity]}  ${oneLine(a.cameraName)}: ${oneLine(a.text)}`;
  return {
    subject: `${alerts.length} alerts${critical === 0 ? '' : `, ${critical} of them critical`}, ${span}`,
    text: [`${alerts.length} alerts from ${span}`, '', ...inOrder.map(line), ''].join('\n'),
    html: page([
      `<h2>${alerts.length} alerts</h2>`,
      ...inOrder.map((a) => {
        const place = pictured.get(a.id);
        return `<p>${html(line(a))}</p>${place === undefined ? '' : picture(place)}`;
      }),
    ]),
  };
}

const page = (parts: readonly string[]) => `<html><body>${parts.join('')}</body></html>`;
const picture = (index: number) => `<p><img src="cid:${pictureId(index)}" alt="" width="640"></p>`;

function facts(alert: AlertMessage, timeZone: string): [string, string][] {
  const nearest = Object.entries(alert.observation.references).toSorted(
    ([, a], [, b]) => a.distance - b.distance,
  )[0];
  return [
    ['Time', `${localTime(alert.at, timeZone)} (${timeZone})`],
    ['Camera', oneLine(alert.cameraName)],
    ['Seen', `${oneLine(alert.label)}, ${Math.round(alert.observation.score * 100)} % sure`],
    ...(nearest === undefined
      ? []
      : [
          ['Distance', `${nearest[1].distance.toFixed(1)} m from ${oneLine(nearest[0])}`] satisfies [
            string,
            string,
          ],
        ]),
    ['Rule', oneLine(alert.ruleName)],
    ['Alert', oneLine(alert.id)],
  ];
}
