// A camera as it is now: video by Media Source Extensions, kept at the live edge; where that cannot be, pictures, with a
// word why. The messages are described in src/cctv/live/hub.ts.

import { el } from './lib.js';

const headBytes = 9;
const farBehind = 1;
const behind = 0.3;
const close = 0.15;
const catchUpRate = 1.1;
const watchMs = 250;
// A camera whose stream has not begun by then gets pictures meanwhile.
const patienceMs = 6_000;
const stillMs = 2_000;
const mostQueuedBytes = 8 * 2 ** 20;
const keptSeconds = 10;
const mostErrors = 3;
// A browser opens six connections to a server, and each row of endless pictures holds one.
const mostEndless = 2;

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
let endless = 0;

/** Plays one stream into a video element. `failed` is told once, in words. */
function openPlayer(video, mime, failed) {
  const source = new Source();
  const url = URL.createObjectURL(source);
  let buffer;
  let queue = [];
  let queued = 0;
  let lastAt;
  let over = false;

  function fail(why) {
    if (over) return;
    stop();
    failed(why);
  }

  function pump() {
    if (over || buffer === undefined || buffer.updating) return;
    try {
      const ranges = buffer.buffered;
      if (ranges.length > 0 && video.currentTime - ranges.start(0) > 2 * keptSeconds)
        return buffer.remove(0, video.currentTime - keptSeconds);
      const next = queue.shift();
      if (next === undefined) return undefined;
      queued -= next.bytes.byteLength;
      lastAt = next.at;
      return buffer.appendBuffer(next.bytes);
    } catch (error) {
      return fail(`the browser refused the video (${error.name})`);
    }
  }

  /** Stays at the live edge: runs a little faster when late, jumps when far behind or before a gap. */
  function follow() {
    const ranges = video.buffered;
    if (over || ranges.length === 0) return;
    const last = ranges.length - 1;
    const edge = ranges.end(last);
    const late = edge - video.currentTime;
    if (late > farBehind || video.currentTime < ranges.start(last))
      video.currentTime = Math.max(ranges.start(last), edge - close);
    else if (late > behind) video.playbackRate = catchUpRate;
    else if (late < close) video.playbackRate = 1;
    if (video.paused) video.play().catch(() => {});
  }

  source.addEventListener('sourceopen', () => {
    if (over) return;
    try {
      buffer = source.addSourceBuffer(`video/mp4; codecs="${mime}"`);
    } catch {
      return fail(`this browser cannot play ${mime}`);
    }
    buffer.addEventListener('updateend', () => {
      follow();
      pump();
    });
    buffer.addEventListener('error', () => fail('the video is damaged'));
    return pump();
  });
  const onError = () => fail('the video is damaged');
  video.addEventListener('error', onError);
  video.disableRemotePlayback = true;
  video.src = url;
  const timer = setInterval(follow, watchMs);

  function stop() {
    over = true;
    clearInterval(timer);
    video.removeEventListener('error', onError);
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(url);
  }

  return {
    stop,
    push(kind, at, bytes) {
      // A page in the background may be stopped for long; what it missed is of no interest when it comes back.
      if (queued > mostQueuedBytes) {
        queue = queue.filter((one) => one.kind === 0);
        queued = queue.reduce((n, one) => n + one.bytes.byteLength, 0);
        if (kind !== 1) return;
      }
      queue.push({ kind, at, bytes });
      queued += bytes.byteLength;
      pump();
    },
    stats() {
      const ranges = video.buffered;
      const late = ranges.length === 0 ? undefined : ranges.end(ranges.length - 1) - video.currentTime;
      return {
        behind: late,
        // Between the arrival of a picture at the server and its display; right where both clocks are.
        latencyMs: late === undefined || lastAt === undefined ? undefined : Date.now() - lastAt + late * 1000,
      };
    },
  };
}

/** Pictures instead of video: an endless row of them, or one at a time. */
function openPictures(image, base) {
  let timer;
  let over = false;
  let rowHeld = false;

  function still() {
    if (over) return;
    image.src = `${base}/picture.jpg?width=960&t=${Date.now()}`;
  }
  function next() {
    clearTimeout(timer);
    if (!rowHeld) timer = setTimeout(still, stillMs);
  }
  function onError() {
    if (over) return;
    release();
    next();
  }
  function release() {
    if (rowHeld) endless -= 1;
    rowHeld = false;
  }
  image.addEventListener('load', next);
  image.addEventListener('error', onError);
  if (endless < mostEndless) {
    endless += 1;
    rowHeld = true;
    image.src = `${base}/mjpeg?fps=2&width=960`;
  } else still();

  return {
    stop() {
      over = true;
      release();
      clearTimeout(timer);
      image.removeEventListener('load', next);
      image.removeEventListener('error', onError);
      image.removeAttribute('src');
    },
  };
}

/**
 * Shows a camera in `container` until `close()`. `stats()` tells how: `mode` is `video` or `pictures`, `why` the word shown.
 */
export function attachLive(container, camera) {
  const base = `/api/cctv/cameras/${encodeURIComponent(camera)}`;
  const video = el('video', {
    muted: '',
    playsinline: '',
    autoplay: '',
    'aria-label': `Live view of ${camera}`,
  });
  video.muted = true;
  const image = el('img', { alt: `Picture of ${camera}` });
  const word = el('p', { class: 'live-why', role: 'status' });
  container.append(video, image, word);
  let socket;
  let player;
  let pictures;
  let timer;
  let waits = 0;
  let errors = 0;
  let over = false;
  image.hidden = true;
  say('');

  function say(text) {
    word.textContent = text;
    word.hidden = text === '';
  }

  function showVideo(mime) {
    if (Source === undefined) return showPictures('pictures only: this browser plays no live video');
    if (!Source.isTypeSupported(`video/mp4; codecs="${mime}"`)) {
      const name = mime.startsWith('hvc1') ? 'H.265' : mime;
      return showPictures(`pictures only: this browser cannot play ${name}`);
    }
    if (errors >= mostErrors) return undefined;
    pictures?.stop();
    pictures = undefined;
    player?.stop();
    image.hidden = true;
    video.hidden = false;
    say('');
    player = openPlayer(video, mime, (why) => {
      player = undefined;
      errors += 1;
      if (errors >= mostErrors) showPictures(`pictures only: ${why}`);
      // A new stream begins with a keyframe and its own head.
      else socket?.close();
    });
    return undefined;
  }

  function showPictures(why) {
    player?.stop();
    player = undefined;
    video.hidden = true;
    image.hidden = false;
    pictures ??= openPictures(image, base);
    say(why);
  }

  function onText({ type, mime, state, detail }) {
    if (type === 'stream') {
      waits = 0;
      clearTimeout(timer);
      showVideo(mime);
    } else if (type === 'state' && player === undefined) say(state === 'live' ? '' : detail || state);
  }

  function onBytes(data) {
    if (player === undefined) return;
    const head = new DataView(data, 0, headBytes);
    player.push(head.getUint8(0), head.getFloat64(1), new Uint8Array(data, headBytes));
  }

  function connect() {
    if (over) return;
    socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${base}/live`);
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      timer = setTimeout(() => showPictures('pictures only: the video has not begun yet'), patienceMs);
    });
    socket.addEventListener('message', ({ data }) => {
      if (typeof data === 'string') onText(JSON.parse(data));
      else onBytes(data);
    });
    socket.addEventListener('close', () => {
      clearTimeout(timer);
      if (over) return;
      waits += 1;
      if (player === undefined && waits > 2) showPictures('pictures only: no connection for video');
      else if (pictures === undefined) say('connection lost, trying again');
      // Half of it by chance, so that many pages do not come back at one instant.
      setTimeout(connect, Math.min(10_000, 500 * 2 ** waits) * (0.5 + Math.random() / 2));
    });
  }

  connect();
  return {
    close() {
      over = true;
      clearTimeout(timer);
      socket?.close();
      player?.stop();
      pictures?.stop();
      for (const node of [video, image, word]) node.remove();
    },
    /** What is shown at this moment as a picture that stays; undefined where nothing is. */
    still() {
      const shown = player === undefined ? image : video;
      const [width, height] = [
        shown.videoWidth ?? shown.naturalWidth,
        shown.videoHeight ?? shown.naturalHeight,
      ];
      if (shown.hidden || !(width > 0 && height > 0)) return undefined;
      const last = el('canvas', { class: 'last', width, height, 'aria-hidden': 'true' });
      last.getContext('2d').drawImage(shown, 0, 0, width, height);
      return last;
    },
    stats() {
      const mode = player !== undefined ? 'video' : pictures !== undefined ? 'pictures' : 'waiting';
      return { mode, why: word.textContent, ...player?.stats() };
    },
  };
}
