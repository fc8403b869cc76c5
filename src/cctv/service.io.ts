import type { Bus } from '#kernel/bus.ts';
import type { Clock } from '#kernel/driver.ts';
import type { Logger } from '#platform/log.ts';
import type { Journal } from '#store/model.ts';
import type { EventRow, EventTouch, PathPoint, SegmentRow } from './book/model.ts';
import type { PathOnGround, SettledPlace } from './observer.rules.ts';

/** The book of the cameras as the service writes into it: all but touches are on disk when they resolve. */
interface EventPages {
  openEvent(row: EventRow): Promise<void>;
  touchEvent(id: string, touch: EventTouch): void;
  closeEvent(id: string, touch: EventTouch): Promise<void>;
  openEvents(): readonly EventRow[];
  addPath(point: PathPoint): void;
  readonly files: {
    attachPicture(event: string, file: string): Promise<void>;
    segment(row: SegmentRow): Promise<void>;
  };
}

/** Where pictures are kept; gives the name to write into the book, undefined where none are kept. */
interface PictureFolder {
  save(picture: {
    readonly event: string;
    readonly at: number;
    readonly clean: Uint8Array;
    readonly boxed: Uint8Array | undefined;
  }): Promise<string | undefined>;
}

/** All that the service of the cameras touches. */
export interface CctvIo {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: Pick<Bus, 'emit'>;
  readonly journal: Pick<Journal, 'append'>;
  readonly book: EventPages;
  readonly pictures: PictureFolder;
  readonly newId: (at: number) => string;
  /** `places()` of before a restart. */
  readonly places?: Readonly<Record<string, readonly SettledPlace[]>> | undefined;
  /** Undefined on a camera without calibration. */
  readonly groundOf: (camera: string) => ((label: string) => PathOnGround) | undefined;
  /** What is recorded of a camera that says nothing of its own. */
  readonly usualRecording: () => 'off' | 'events' | 'continuous';
  /** Tells the reader of a camera that something begins or ends, for recordings. */
  readonly mark: (camera: string, event: string, open: boolean, at: number) => void;
}
