/** Reads QR codes from a camera's picture: by the browser's BarcodeDetector, or by a part that is loaded when needed. */

import { part } from "../parts.ts";

/** What the QR code says that is in the picture now, or `null`. */
export type Look = (video: HTMLVideoElement) => Promise<string | null>;

/** https://wicg.github.io/shape-detection-api/#barcode-detection-api */
type Detector = { detect(source: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]> };
type Detectors = {
  new (options: { readonly formats: readonly string[] }): Detector;
  getSupportedFormats(): Promise<readonly string[]>;
};
type Decode = Awaited<ReturnType<typeof part<"qr_read">>>;

const FORMAT = "qr_code";
/** More points than this make it slow, and no better. */
const MOST_POINTS = 800;

/** Whatever reads QR codes here. Throws `Problem(busy)`. */
export async function qrReader(): Promise<Look> {
  const { BarcodeDetector: detectors } = globalThis as { BarcodeDetector?: Detectors };
  if (detectors !== undefined && (await detectors.getSupportedFormats()).includes(FORMAT)) {
    const detector = new detectors({ formats: [FORMAT] });
    return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
  }
  const [decode, canvas] = [await part("qr_read"), document.createElement("canvas")];
  const surface = canvas.getContext("2d", { willReadFrequently: true });
  return (video) => Promise.resolve(surface && decoded(decode, surface, video));
}

function decoded(decode: Decode, surface: CanvasRenderingContext2D, video: HTMLVideoElement): string | null {
  const { videoWidth, videoHeight } = video;
  const scale = Math.min(1, MOST_POINTS / Math.max(videoWidth, videoHeight, 1));
  const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
  if (width === 0 || height === 0) return null;
  Object.assign(surface.canvas, { width, height });
  surface.drawImage(video, 0, 0, width, height);
  try {
    return decode(surface.getImageData(0, 0, width, height));
  } catch {
    return null; // there is no QR code in this picture, or not a whole one
  }
}
