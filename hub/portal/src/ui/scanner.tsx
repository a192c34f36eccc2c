/** A QR code is read by the camera. A field for its text stands beside it, for who has none. */

import { useEffect, useRef, useState } from "preact/hooks";
import { text } from "../text.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";
import { Notice } from "./notice.tsx";
import { qrReader } from "./qr_reader.ts";

const AGAIN_MS = 150;

type ScannerProps = {
  readonly label: string;
  /** Takes what a QR code says; false where it is something else, so that the camera goes on. */
  readonly onRead: (content: string) => boolean;
};

export function Scanner({ label, onRead }: ScannerProps) {
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState<"" | "scan.no-camera" | "scan.other">("");
  if (!("mediaDevices" in navigator)) return null;
  const start = () => {
    setProblem("");
    setOpen(true);
  };
  const read = (content: string) => {
    const taken = onRead(content);
    setProblem(taken ? "" : "scan.other");
    if (taken) setOpen(false);
    return taken;
  };
  const failed = () => {
    setOpen(false);
    setProblem("scan.no-camera");
  };
  return (
    <div class="scanner">
      {open && <Viewfinder label={label} onRead={read} onFailed={failed} />}
      {problem && <Notice mood="warning">{text(problem)}</Notice>}
      <Button onClick={open ? () => setOpen(false) : start}>
        <Icon name="camera" />
        {open ? text("scan.stop") : label}
      </Button>
    </div>
  );
}

type ViewfinderProps = ScannerProps & { readonly onFailed: () => void };

/** The camera is on as long as this is shown. */
function Viewfinder({ label, onRead, onFailed }: ViewfinderProps) {
  const place = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const stop = new AbortController();
    void watch(place.current!, onRead, stop.signal).catch(() => stop.signal.aborted || onFailed());
    return () => stop.abort();
  }, []);
  return (
    <>
      <video ref={place} aria-label={label} muted playsInline />
      <p class="hint" role="status">
        {text("scan.hold")}
      </p>
    </>
  );
}

/** Show the camera's picture, and read what is in it until something is taken. Throws where there is no camera. */
async function watch(video: HTMLVideoElement, onRead: ScannerProps["onRead"], signal: AbortSignal): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const end = () => stream.getTracks().forEach((track) => track.stop());
  signal.addEventListener("abort", end);
  if (signal.aborted) return end();
  video.srcObject = stream;
  const [look] = await Promise.all([qrReader(), video.play()]);
  while (!signal.aborted) {
    const content = await look(video);
    if (!signal.aborted && content !== null && onRead(content)) return;
    await new Promise((go) => setTimeout(go, AGAIN_MS));
  }
}
