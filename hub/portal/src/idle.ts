/** The device locks itself when nobody has touched it for a while; how long is the user's to choose (WCAG 2.2.1). */

import { useLayoutEffect } from "preact/hooks";

/** Minutes. */
export const IDLE_CHOICES: readonly number[] = [5, 15, 60, 240];
const USUAL = 15;
const KEPT = "obhut-idle-minutes";
const LOOK_MS = 5_000;
/** By which tabs of one browser tell each other that somebody is there: one that lies hidden must not lock them all. */
const CHANNEL = "obhut-touch";
const SIGNS = ["pointerdown", "keydown", "wheel", "touchmove"] as const;

/** After how many idle minutes this device locks itself. */
export function idleMinutes(): number {
  const kept = Number(localStorage.getItem(KEPT));
  return IDLE_CHOICES.includes(kept) ? kept : USUAL;
}

/** Choose another time; returns it. */
export function setIdleMinutes(minutes: number): number {
  localStorage.setItem(KEPT, String(minutes));
  return idleMinutes();
}

/** While `watching`, call `onIdle` when nobody has touched the page, in any tab, for the chosen time; sleep counts too. */
export function useIdle(watching: boolean, onIdle: () => void): void {
  useLayoutEffect(() => {
    if (!watching) return undefined;
    const others = new BroadcastChannel(CHANNEL);
    let touched = Date.now();
    let told = 0;
    const isOver = (at: number) => at - touched >= idleMinutes() * 60_000;
    /** Somebody was there at that time; false where that is too late, as after a sleep, in which no timer has run. */
    const isInTime = (at: number) => {
      if (isOver(at)) {
        onIdle();
        return false;
      }
      touched = at;
      return true;
    };
    others.onmessage = ({ data }) => void isInTime(Math.max(touched, Number(data)));
    const touch = () => {
      const now = Date.now();
      if (!isInTime(now) || now - told < LOOK_MS) return;
      told = now;
      others.postMessage(now);
    };
    const look = () => {
      if (isOver(Date.now())) onIdle();
    };
    const timer = setInterval(look, LOOK_MS);
    for (const sign of SIGNS) addEventListener(sign, touch, { passive: true });
    document.addEventListener("visibilitychange", look);
    return () => {
      others.close();
      clearInterval(timer);
      for (const sign of SIGNS) removeEventListener(sign, touch);
      document.removeEventListener("visibilitychange", look);
    };
  }, [watching]);
}
